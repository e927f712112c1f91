/** What the engine tells of an operation before it is carried out: `--dry-run`. Sizes in bytes, times ISO 8601 in UTC. */

/** Operations that tell what they would do. */
export const plannedOperations = [
  'removeMachine',
  'take',
  'apply',
  'revert',
  'undo',
  'redo',
  'delete',
  'restore',
  'emptyTrash',
  'annotate',
  'rename',
  'clone',
  'flatten',
  'move',
  'export',
  'import',
  'groupTake',
  'groupApply',
  'groupDelete',
  'diskCreate',
  'diskCheck',
  'diskMerge',
  'diskConvert',
  'diskCompact',
  'diskResize',
  'diskRebase',
] as const;
export type PlannedOperation = (typeof plannedOperations)[number];

/** A checkpoint, Now or a machine as a plan names it. Without an id: what is to be made, or Now. */
export interface PlannedPoint {
  id?: string;
  name: string;
}

/** One step of an operation, in the order in which it is taken. Paths are absolute. */
export type PlanStep = { /** Where a plan has several. */ machine?: string } & (
  | {
      kind: 'create';
      what: 'layer' | 'memory' | 'image' | 'folder';
      /** Absent where the name is chosen only when it is made. */
      path?: string;
      disk?: string;
      /** File that a layer stands on. */
      on?: string;
    }
  | {
      kind: 'create';
      what: 'checkpoint';
      point: PlannedPoint;
      parent?: PlannedPoint;
      /** Kept until then. */ until?: string;
    }
  | { kind: 'create'; what: 'machine'; point: PlannedPoint; path: string }
  | { kind: 'copy'; from: string; to: string; bytes: number }
  | { kind: 'rename'; from: string; to: string }
  /** The data of one layer goes into the other, whose file then stands for both. */
  | { kind: 'merge'; disk: string; from: string; into: string; direction: 'ancestor' | 'child'; bytes: number }
  /** What a layer stands on outside of its machine goes into it. */
  | { kind: 'fill'; disk: string; path: string; bytes: number }
  | { kind: 'remove'; what: 'layer' | 'memory' | 'machine'; path: string; bytes: number }
  | { kind: 'remove'; what: 'checkpoint'; point: PlannedPoint }
  /** Into the trash, where it is whole until then. */
  | { kind: 'trash'; point: PlannedPoint; until: string }
  /** Out of the trash, under its parent. */
  | { kind: 'restore'; point: PlannedPoint; parent?: PlannedPoint }
  /** Hangs from another checkpoint afterwards, or from none. */
  | { kind: 'attach'; point: PlannedPoint | 'now'; parent?: PlannedPoint }
  /** What a record says: the name, the notes, the pin, the colour, the expiry; empty for none. */
  | { kind: 'change'; point: PlannedPoint; field: string; from: string; to: string }
  /** The disk of an image gets longer or shorter. */
  | { kind: 'resize'; path: string; fromBytes: number; toBytes: number }
  /** What an image does not need is given back. */
  | { kind: 'compact'; path: string }
  /** An image's own word on where its parent is. */
  | { kind: 'rebase'; path: string; from: string; to: string }
  /** A fault inside of an image goes. */
  | { kind: 'mend'; path: string; fault: string }
  /** What happens to the machine's process. */
  | { kind: 'process'; does: 'pause' | 'resume' | 'end' | 'start' }
  /** What an engine that died left is ended first; the rest is told by what is there now. */
  | { kind: 'recover'; operation: string }
);

/** Something that cannot be had back afterwards. */
export interface PlannedLoss {
  what: 'now' | 'checkpoint' | 'machine' | 'memory';
  name: string;
}

export interface PlannedSpace {
  /** What the volume must have free; a bound from above. */
  neededBytes: number;
  /** Content that is read and written again. */
  movedBytes: number;
  /** What is free again afterwards: certainly, and at most. */
  freed: { leastBytes: number; mostBytes: number };
  /** On the volume that it is written to. */
  freeBytes: number;
  /** Zero when it fits. What cannot be done without is refused with `NotEnoughSpace`. */
  shortBytes: number;
}

/** What an operation would do at this moment. */
export interface OperationPlan {
  operation: PlannedOperation;
  machines: string[];
  steps: PlanStep[];
  space: PlannedSpace;
  losses: PlannedLoss[];
}

/** Operations on plans, in the form of {@link Operations}. */
export interface PlanOperations {
  /**
   * Decides what an operation would do, and changes nothing. What the operation would refuse is refused, with the same error.
   */
  plan: {
    params: {
      operation: PlannedOperation;
      /** Those of that operation. */
      params: Record<string, unknown>;
    };
    result: OperationPlan;
  };
}

export const planOperationNames = ['plan'] as const satisfies readonly (keyof PlanOperations)[];
