import type { CheckpointInfo } from './machines.ts';

/** What the engine tells of the differences between two checkpoints of a machine. Sizes and offsets in bytes. */

/** How many ranges of a disk one answer holds unless told otherwise. */
export const defaultRangeLimit = 1000;

export interface DiskDifference {
  disk: string;
  /** Which of the two have the disk at all; where only one has it, nothing else is told. */
  in: 'both' | 'checkpoint' | 'other';
  isSame: boolean;
  differingBytes: number;
  differingRanges: number;
  /** The first of them, `limit` at most, in whole sectors of 512 bytes. */
  ranges: { offset: number; length: number }[];
  /** That of the longer one. */
  virtualSizeBytes: number;
}

/** A setting of the machine as each of the two has it; absent where one has none. */
export interface SettingDifference {
  /** As in the machine's definition, such as `memoryMiB` or `disks.disk0.virtualSizeBytes`. */
  setting: string;
  checkpoint?: string;
  other?: string;
}

/** Operations on two checkpoints, in the form of {@link Operations}. */
export interface CompareOperations {
  /** Compares what the disks hold and how the machine was defined. Memory is not compared. */
  compare: {
    params: {
      machine: string;
      checkpoint: string;
      other: string;
      limit?: number;
    };
    result: {
      machine: string;
      checkpoint: CheckpointInfo;
      other: CheckpointInfo;
      /** Disks hold the same, and no setting differs. */
      isSame: boolean;
      disks: DiskDifference[];
      settings: SettingDifference[];
    };
  };
}

export const compareOperationNames = ['compare'] as const satisfies readonly (keyof CompareOperations)[];
