import { mkdirSync, readdirSync, watch, type Dirent, type FSWatcher } from 'node:fs';
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
    try {
      mkdirSync(this.#home.machines, { recursive: true, mode: 0o700 });
      this.#root = watch(this.#home.machines, () => {
        this.#listChanged = true;
        this.#settle();
      });
      this.#root.on('error', () => undefined);
    } catch {
      // A home that cannot be made or watched: its list is right whenever a client asks for it.
      this.#root = undefined;
    }
    this.#follow();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#stop();
  }

  #stop(): void {
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
    let entries: Dirent[];
    try {
      entries = readdirSync(this.#home.machines, { withFileTypes: true });
    } catch {
      return;
    }
    for (const { name } of entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))) {
      const folder = path.join(this.#home.machines, name);
      const watched = [folder, path.join(folder, 'checkpoints'), path.join(folder, 'run')];
      this.#watchers.set(
        name,
        watched.flatMap((one) => this.#watch(one, name)),
      );
    }
  }

  #watch(folder: string, machine: string): FSWatcher[] {
    try {
      const watcher = watch(folder, (_, file) => {
        // The new content shows under the file's own name in a moment.
        if (file?.endsWith('.new') !== true) {
          this.touch(machine);
        }
      });
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
        // A watch goes with the folder that it was set on, even when another of that name takes its place.
        this.#stop();
        this.start();
      }
      this.#onChange(machines);
    }, settleMs);
  }
}
