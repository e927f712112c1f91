import type { MachineInfo } from './machines.ts';

/** What happens to a machine besides starting, stopping and standing still. */
export interface LifeOperations {
  /** Resets a machine that is up, as its reset button would: what the guest has not written to its disks is lost. */
  reset: { params: { machine: string }; result: { machine: MachineInfo } };
  /** Saves the memory of a machine that is up to a file beside it, and turns it off. The next `start` resumes it. */
  saveState: {
    params: { machine: string };
    result: { machine: MachineInfo; /** Of the file. */ sizeBytes: number; totalMs: number };
  };
  /** Gives up what `saveState` saved: the next `start` boots the machine from its disks, as after a power failure. */
  discardState: { params: { machine: string }; result: { machine: MachineInfo; freedBytes: number } };
  /**
   * Takes a machine off the list whose folder lies outside of the home and is not reachable. The folder stays as it is, wherever it is:
   * `import` makes a machine of it again.
   */
  forgetMachine: { params: { machine: string }; result: { forgotten: string; /** Where it was. */ folder: string } };
}

export const lifeOperationNames = [
  'reset',
  'saveState',
  'discardState',
  'forgetMachine',
] as const satisfies readonly (keyof LifeOperations)[];
