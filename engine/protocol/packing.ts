import type { MachineInfo } from './machines.ts';

/** Operations on saved memory, in the form of {@link Operations}. */
export interface PackOperations {
  /**
   * Packs the saved memory of checkpoints, but for the one that Now hangs from, those that expire, and what would not become
   * smaller by a quarter. They are applied as before. Others that change the machine meanwhile are given way to.
   */
  packMemory: {
    params: {
      machine: string;
      /** Only of checkpoints that were taken longer ago. */
      olderThanHours?: number;
    };
    result: {
      machine: MachineInfo;
      /** How many checkpoints. */
      packed: number;
      freedBytes: number;
      /** Why memory was left as it is that could not be packed. */
      problem?: string;
    };
  };
}

export const packOperationNames = ['packMemory'] as const satisfies readonly (keyof PackOperations)[];
