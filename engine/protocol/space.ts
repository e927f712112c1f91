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
  /** What to do, such as `empty the trash`. */
  action: string;
  bytes: number;
  /** The checkpoints that would go; absent for the trash. */
  checkpoints?: string[];
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
    };
  };
}

export const spaceOperationNames = ['space'] as const satisfies readonly (keyof SpaceOperations)[];
