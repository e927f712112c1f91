import { mkdirSync, readdirSync, watch, type FSWatcher } from 'node:fs';
import path from 'node:path';
import type { Home } from './home.ts';

/** Changes that come in one go are told in one go. */
const settleMs = 60;

/**
 * Watches the machines of a home, whoever changes them. Disks and sockets are left out: a running machine writes to
 * them all the time.
 */
export class HomeWatch {
  readonly #home: Home;
  readonly #onChange: (machines: string[] | undefined) => void;
  readonly #watchers = new Map<string, FSWatcher[]>();
  #root: FSWatcher | undefined;
  #changed = new Set<string>();
  #listChanged = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param onChange gets the names of the machines that changed, or undefined when machines came or went */
  constructor(home: Home, onChange: (machines: string[] | undefined) => void) {
    this.#home = home;
    this.#onChange = onChange;
  }

  start(): void {
    mkdirSync(this.#home.machines, { recursive: true, mode: 0o700 });
    this.#root = watch(this.#home.machines, () => {
      this.#listChanged = true;
      this.#settle();
    });
    this.#root.on('error', () => undefined);
    this.#follow();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#root?.close();
    for (const machine of [...this.#watchers.keys()]) {
      this.#forget(machine);
    }
  }

  /** Tells that a machine changed in a way that no file shows. */
  touch(machine: string): void {
    this.#changed.add(machine);
    this.#settle();
  }

  #follow(): void {
    const present = new Set(
      readdirSync(this.#home.machines, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
        .map((entry) => entry.name),
    );
    for (const machine of this.#watchers.keys()) {
      if (!present.has(machine)) {
        this.#forget(machine);
      }
    }
    for (const machine of present) {
      if (!this.#watchers.has(machine)) {
        const folder = path.join(this.#home.machines, machine);
        const watched = [folder, path.join(folder, 'checkpoints'), path.join(folder, 'run')];
        this.#watchers.set(
          machine,
          watched.flatMap((one) => this.#watch(one, machine)),
        );
      }
    }
  }

  #watch(folder: string, machine: string): FSWatcher[] {
    try {
      const watcher = watch(folder, () => this.touch(machine));
      watcher.on('error', () => this.#forget(machine));
      return [watcher];
    } catch {
      // Gone again, or more watches than the system allows: the list is then right at the next look.
      return [];
    }
  }

  #forget(machine: string): void {
    this.#watchers.get(machine)?.forEach((watcher) => watcher.close());
    this.#watchers.delete(machine);
  }

  #settle(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const machines = this.#listChanged ? undefined : [...this.#changed];
      this.#changed = new Set();
      if (this.#listChanged) {
        this.#listChanged = false;
        this.#follow();
      }
      this.#onChange(machines);
    }, settleMs);
  }
}
