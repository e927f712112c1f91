import { existsSync, statSync, watch, type FSWatcher, type Stats } from 'node:fs';
import path from 'node:path';
import { dueFile } from './due-record.ts';
import { namesNobody } from './file-lock.ts';
import { historyFile } from './history.ts';
import { HolderWatch } from './holder-watch.ts';
import type { Home } from './home.ts';
import type { MachinePlace } from './machine-place.ts';
import { machinePlaces, placeNamed } from './moved-machines.ts';
import { runningTimeFile } from './running-time-record.ts';

/** Changes that come in one go are told in one go. */
const settleMs = 25;

/** A change that takes longer is told while it is under way. */
const longChangeMs = 500;

/** To set watches on a thousand machines takes as long as to list them: so it is done in parts, and the list goes first. */
const machinesAPart = 40;
const betweenPartsMs = 30;

/** What changed this long before it was watched is told once more: clocks of file systems count in steps. */
const clockStepMs = 2000;

interface WatchedMachine {
  /** Which folder it is: another may take its name. */
  identity: string;
  watchers: FSWatcher[];
}

/**
 * Watches the machines of a home, whoever changes them. Disks and sockets are left out: a running machine writes to
 * them all the time.
 */
export class HomeWatch {
  readonly #home: Home;
  readonly #onChange: (machines: string[] | undefined) => void;
  readonly #longMs: number;
  readonly #watched = new Map<string, WatchedMachine>();
  #root: FSWatcher | undefined;
  /** Of the folder of the machines when its watch was set; empty while there is none. */
  #rootIdentity = '';
  #changed = new Set<string>();
  #listChanged = false;
  #timer: NodeJS.Timeout | undefined;
  /** By machine: when to tell of what is being done under its lock. */
  readonly #underLock = new Map<string, NodeJS.Timeout>();
  readonly #holders = new HolderWatch((machine) => this.touch(machine));
  /** Machines that are still to be watched, and the time since which none of their changes may be missed. */
  #waiting: string[] = [];
  #waitingSince = 0;
  #nextPart: NodeJS.Timeout | undefined;

  /**
   * @param onChange gets the names of the machines that changed, or undefined when machines came or went
   * @param longMs what is done under a machine's lock is told when the lock is given back, all of it at once, and what takes
   *   longer than this also before
   */
  constructor(home: Home, onChange: (machines: string[] | undefined) => void, longMs = longChangeMs) {
    this.#home = home;
    this.#onChange = onChange;
    this.#longMs = longMs;
  }

  start(): void {
    this.#watchRoot();
    this.#follow();
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#nextPart);
    this.#underLock.forEach((timer) => clearTimeout(timer));
    this.#underLock.clear();
    this.#holders.close();
    this.#root?.close();
    for (const machine of [...this.#watched.keys()]) {
      this.#forget(machine);
    }
  }

  /**
   * Notices what no watch tells: a volume was mounted over what is watched, or what is watched has gone with its volume. To be
   * called often.
   */
  look(): void {
    if (identityOf(this.#home.machines) !== this.#rootIdentity) {
      this.#listHasChanged();
    }
  }

  /** Nothing is made: where there is no folder of machines yet, it may be that of a volume that is not there now. */
  #watchRoot(): void {
    this.#root?.close();
    this.#root = undefined;
    const { machines, root } = this.#home;
    this.#rootIdentity = identityOf(machines);
    try {
      this.#root = existsSync(machines)
        ? watch(machines, () => this.#listHasChanged())
        : watch(root, () => this.look());
      this.#root.on('error', () => undefined);
    } catch {
      // Gone again, or not to be watched: a look tells when it is there.
    }
  }

  #listHasChanged(): void {
    this.#listChanged = true;
    this.#settle();
  }

  /** Tells that a machine changed in a way that no file shows. */
  touch(machine: string): void {
    clearTimeout(this.#underLock.get(machine));
    this.#underLock.delete(machine);
    this.#changed.add(machine);
    this.#settle();
  }

  #noticed(machine: string, lock: string): void {
    if (namesNobody(lock)) {
      this.touch(machine);
      return;
    }
    this.#holders.watch(machine, lock);
    if (!this.#underLock.has(machine)) {
      this.#underLock.set(
        machine,
        setTimeout(() => this.touch(machine), this.#longMs),
      );
    }
  }

  /** Watches the machines there are, and no others. One whose folder is the same is watched already. */
  #follow(): void {
    let places: MachinePlace[];
    try {
      places = machinePlaces(this.#home);
    } catch {
      return;
    }
    const found = new Map(places.map((place) => [place.name, identityOf(place.path)]));
    for (const [name, { identity }] of [...this.#watched]) {
      if (found.get(name) !== identity) {
        this.#forget(name);
      }
    }
    if (this.#waiting.length === 0) {
      this.#waitingSince = Date.now() - clockStepMs;
    }
    this.#waiting = [...found.keys()].filter((name) => !this.#watched.has(name));
    clearTimeout(this.#nextPart);
    this.#watchPart(false);
  }

  /** @param isLate whether a client may have looked at these machines already */
  #watchPart(isLate: boolean): void {
    for (const name of this.#waiting.splice(0, machinesAPart)) {
      const folder = placeNamed(this.#home, name);
      const watched = [folder, path.join(folder, 'checkpoints'), path.join(folder, 'run')];
      const identity = identityOf(folder);
      const lock = path.join(folder, 'lock');
      this.#watched.set(name, { identity, watchers: watched.flatMap((one) => this.#watch(one, name, lock)) });
      if (!namesNobody(lock)) {
        this.#holders.watch(name, lock);
      }
      if (isLate && watched.some((one) => changedMs(one) > this.#waitingSince)) {
        this.touch(name);
      }
    }
    if (this.#waiting.length > 0) {
      this.#nextPart = setTimeout(() => this.#watchPart(true), betweenPartsMs);
    }
  }

  #watch(folder: string, machine: string, lock: string): FSWatcher[] {
    try {
      const watcher = watch(folder, (_, file) => {
        // The new content shows under the file's own name in a moment; what is noted in passing changes nothing.
        if (file?.endsWith('.new') !== true && file !== runningTimeFile && file !== dueFile && file !== historyFile) {
          this.#noticed(machine, lock);
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
    this.#watched.get(machine)?.watchers.forEach((watcher) => watcher.close());
    clearTimeout(this.#underLock.get(machine));
    this.#underLock.delete(machine);
    this.#holders.forget(machine);
    this.#watched.delete(machine);
  }

  #settle(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const machines = this.#listChanged ? undefined : [...this.#changed];
      this.#changed = new Set();
      if (this.#listChanged) {
        this.#listChanged = false;
        // A watch goes with the folder that it was set on, even when another of that name takes its place.
        this.start();
      }
      this.#onChange(machines);
    }, settleMs);
  }
}

/** @returns an empty text for what is not there, or not to be looked at */
function identityOf(folder: string): string {
  const found = statOf(folder);
  // The number alone may be given to the next folder.
  return found === undefined ? '' : `${found.dev}:${found.ino}:${found.birthtimeMs}`;
}

function changedMs(folder: string): number {
  return statOf(folder)?.mtimeMs ?? 0;
}

function statOf(folder: string): Stats | undefined {
  try {
    return statSync(folder, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
