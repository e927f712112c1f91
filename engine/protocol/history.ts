import type { ErrorCode } from './errors.ts';

/** How a change ended; `interrupted`: whoever made it died, and the next engine ended it or took it back. */
export type ChangeOutcome = 'done' | 'failed' | 'cancelled' | 'interrupted';

/** One change of a machine, whichever program made it. */
export interface PastChange {
  /** When it began, ISO 8601. */
  at: string;
  /** Such as `take`, `apply`, `start`. */
  operation: string;
  /** Who made it: `VS Code`, `ckpt`, …; of one that was interrupted, who ended it. */
  face: string;
  outcome: ChangeOutcome;
  /** From having the machine's lock to the end; absent for one that was interrupted. */
  durationMs?: number;
  /** Names of the checkpoints that it was about. */
  about?: string[];
  /** Why it failed. */
  error?: { code: ErrorCode; message: string };
}

/** Operations on what was done to machines, in the form of {@link Operations}. */
export interface HistoryOperations {
  /** What was done to a machine of late, the latest first. */
  history: {
    params: {
      machine: string;
      /** So many at most. */
      last?: number;
    };
    result: { machine: string; changes: PastChange[] };
  };
}

export const historyOperationNames = ['history'] as const satisfies readonly (keyof HistoryOperations)[];
