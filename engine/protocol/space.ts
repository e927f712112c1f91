import type { Saying } from './sentences.ts';

/** What the engine tells of space. Bytes are those that files take on their volume, not their lengths. */

/**
 * What goes when something is deleted. `leastBytes` is certain; `mostBytes` is reached when the layers that merge
 * afterwards lie wholly over each other.
 */
export interface FreedBytes {
  leastBytes: number;
  mostBytes: number;
}

export interface CheckpointSpace {
  id: string;
  name: string;
  /** Freed when this checkpoint alone is deleted, has left the trash, and what can merge has merged. */
  exclusive: FreedBytes;
  /** What it stands on together with others: freed only when they go too. */
  sharedBytes: number;
  /** Its saved memory and other files of its own, which are part of `exclusive`. */
  memoryBytes: number;
}

/**
 * `totalBytes` less `unusedBytes` is what Now, the checkpoints, the trash and the clones stand on and have of their own, each
 * file once. The `exclusive` bytes of two checkpoints do not add up to what deleting both frees: what only these two share
 * is in neither, and what merges after either may be in both; `allCheckpoints` says it of all.
 */
export interface MachineSpace {
  machine: string;
  /** All layers and memory of the machine, its trash included. Images outside its folder do not count. */
  totalBytes: number;
  /** Needed by Now alone. */
  nowBytes: number;
  checkpoints: CheckpointSpace[];
  /** What deleting every checkpoint would free. */
  allCheckpoints: FreedBytes;
  /** What emptying the trash would free. */
  trash: FreedBytes;
  /** Layers that nothing stands on; doctor tells of them. */
  unusedBytes: number;
}

/** A way to get space, and how many bytes it is certain to bring. */
export interface WayToFree {
  kind: 'trash' | 'expiring' | 'checkpoint';
  machine: string;
  /** What to do, such as `empty the trash of “lab”`. */
  action: string;
  bytes: number;
  /** The checkpoints that would go, and what each is certain to bring after those before it. */
  checkpoints: { id: string; name: string; bytes: number }[];
}

/** A volume that running machines write to is going to be full. */
export interface SpaceWarning {
  /** A folder on it. */
  volume: string;
  /** `critical`: at any moment. */
  level: 'low' | 'critical';
  freeBytes: number;
  /** At the rate of the latest minutes; absent when it is not getting less, or that is not known. */
  minutesLeft?: number;
  /** Those that run and write there. */
  machines: string[];
  message: string;
  /** The same, for front ends in other languages. */
  sentences: Saying[];
}

/** Sent by the engine when a volume comes to a level, once each time. */
export const spaceLowMethod = 'vmCheckpoints/spaceLow';
export interface SpaceLowParams extends SpaceWarning {
  /** Machines that were paused for it, where that was asked for. */
  paused: string[];
}

/** The data of the error `NotEnoughSpace`, when an operation is refused before it begins. */
export interface SpaceShortage {
  /** A folder on the volume that has too little. */
  volume: string;
  neededBytes: number;
  freeBytes: number;
  shortBytes: number;
  /** The cheapest first, each on top of those before it, as far as it is needed. */
  waysToFree: WayToFree[];
  /** What the operation `freeSpace` is certain to bring there, on all machines; absent when that is nothing. */
  freeSpaceBytes?: number;
}

/** What `freeSpace` discards of one machine. */
export interface FreedMachine {
  machine: string;
  /** Checkpoints that were in the trash. */
  trash: string[];
  /** What apply, undo and redo had kept. */
  kept: string[];
  /** In a dry run, what is certain. Layers that merge afterwards may bring more. */
  freedBytes: number;
}

/** Operations on space, in the form of {@link Operations}. */
export interface SpaceOperations {
  /** All machines unless one is named. */
  space: {
    params: { machine?: string };
    result: {
      machines: (MachineSpace & { /** On the volume that holds the machine. */ freeBytes: number })[];
      /** Machines whose files cannot be believed. */
      failed: { machine: string; code: string; message: string }[];
      /** Volumes of running machines that are going to be full. */
      warnings?: SpaceWarning[];
    };
  };
  /**
   * Discards for good what is kept only in case: the trash, and what apply, undo and redo kept, unless something was built
   * on it or it was pinned. Nothing is merged, so that it is quick and needs no space. All machines unless one is named.
   */
  freeSpace: {
    params: { machine?: string; /** Only tell. */ dryRun?: boolean };
    result: {
      isDryRun: boolean;
      /** Those that had something to discard. */
      machines: FreedMachine[];
      freedBytes: number;
      failed: { machine: string; code: string; message: string }[];
    };
  };
}

export const spaceOperationNames = ['space', 'freeSpace'] as const satisfies readonly (keyof SpaceOperations)[];
