import { statSync } from 'node:fs';
import path from 'node:path';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import type { MachinePlace } from './machine-place.ts';

/** What there is at the place of the machines. */
export interface Ground {
  /** Number of the volume that the folder of the machines lies on; while that is not there, the nearest one above it. */
  device: number;
  isThere: boolean;
}

/** The machines that were there when they were last seen, and on which volume. */
export interface SeenMachines {
  device: number;
  machines: readonly MachinePlace[];
}

/** A volume may come or go between two looks, but not each time. */
const mostAttempts = 5;

/**
 * Remembers, as long as an engine lives, the volume of its home and the machines on it. A mount point whose volume has gone is an
 * empty folder as any other: to tell it from a home without machines takes having seen them.
 */
export class HomeVolume {
  readonly #root: string;
  readonly #machines: string;
  #seen: SeenMachines | undefined;

  /** @param machines folder of the machines, below the home's */
  constructor(root: string, machines: string) {
    this.#root = root;
    this.#machines = machines;
  }

  /**
   * The machines that a look finds; while the volume is not there those that were there before, as lost.
   * @param look what it throws of a home that was never seen is for the caller
   */
  machines(look: () => MachinePlace[]): MachinePlace[] {
    for (let attempt = 1; ; attempt++) {
      try {
        const ground = groundOf(this.#machines);
        const found = look();
        const still = groundOf(this.#machines);
        if (attempt === mostAttempts || (still.device === ground.device && still.isThere === ground.isThere)) {
          return this.#believe(ground, found);
        }
      } catch (error) {
        // A device that answers with errors, or a share whose server is away.
        if (this.#seen === undefined || systemCode(error) === undefined) {
          throw error;
        }
        return this.#lost(this.#seen);
      }
    }
  }

  /** Whether the volume that machines were seen on is not there: nothing may be written in its place. */
  get isLost(): boolean {
    try {
      return this.#seen !== undefined && groundOf(this.#machines).device !== this.#seen.device;
    } catch {
      return this.#seen !== undefined;
    }
  }

  /** To be asked before a folder of the home is made. @throws HomeNotReachable */
  requireThere(): void {
    if (this.isLost) {
      throw homeNotReachable(this.#root);
    }
  }

  #believe(ground: Ground, found: MachinePlace[]): MachinePlace[] {
    if (this.#seen !== undefined && isLost(this.#seen, ground, found.length)) {
      return this.#lost(this.#seen);
    }
    this.#seen = ground.isThere ? { device: ground.device, machines: found } : undefined;
    return found;
  }

  /** What lies on a volume of its own is where it was. */
  #lost({ machines }: SeenMachines): MachinePlace[] {
    return machines.map((place) => (place.isElsewhere ? place : { ...place, lostHome: this.#root }));
  }
}

/** Decides whether machines that were seen are out of reach, or are no more. @param count how many are seen now */
export function isLost(seen: SeenMachines, ground: Ground, count: number): boolean {
  return ground.device !== seen.device && (!ground.isThere || (count === 0 && seen.machines.length > 0));
}

export function homeNotReachable(root: string): CheckpointError {
  return new CheckpointError(
    'HomeNotReachable',
    `The machines are not reachable at ${root}: the disk that they lie on was disconnected or unmounted. Connect it again; nothing of them is lost.`,
    { path: root },
  );
}

function groundOf(folder: string): Ground {
  let above = folder;
  for (;;) {
    const found = statSync(above, { throwIfNoEntry: false });
    if (found !== undefined) {
      return { device: found.dev, isThere: above === folder };
    }
    above = path.dirname(above);
  }
}
