import type { MachineInfo } from './machines.ts';

/** Operations on hidden layers, which belong to no checkpoint any more, in the form of {@link Operations}. */
export interface MergeOperations {
  /**
   * Merges away what can be merged, also while the machine runs. Others that change a machine meanwhile are given way to, and
   * the merge goes on after them.
   */
  mergeLayers: {
    params: {
      machine: string;
      /** Bytes a second, at most, while the machine runs. */
      speed?: number;
    };
    result: { machine: MachineInfo; mergedLayers: number; movedBytes: number; freedBytes: number };
  };
}

export const mergeOperationNames = ['mergeLayers'] as const satisfies readonly (keyof MergeOperations)[];
