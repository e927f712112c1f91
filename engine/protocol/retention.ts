/** What the engine tells of retention: which checkpoints go by themselves, and why. Times are ISO 8601 in UTC, sizes in bytes. */

/**
 * What a machine keeps. Without any of the `keep` counts and without `maxBytes` nothing is deleted but what expires.
 * A checkpoint stays when one of the counts keeps it; `maxBytes` comes after them and may take more.
 */
export interface RetentionPolicy {
  /** The newest so many. */
  keepLast?: number;
  /** The newest of each of so many hours, days, weeks (from Monday) and months, in UTC; those without a checkpoint do not count. */
  hourly?: number;
  daily?: number;
  weekly?: number;
  monthly?: number;
  /** What the checkpoints of the machine may cost at most; the oldest go until they fit. */
  maxBytes?: number;
  /** No rule deletes when the machine would have fewer checkpoints than this afterwards, whoever made them. */
  minimum?: number;
  /** The rules also see what a person made or named; otherwise only what was made automatically. */
  includeNamed?: boolean;
  /** Which time passes for hours, days and expiry: every day's, or only while the machine runs; `wall` by default. */
  ageBy?: 'wall' | 'running';
}

/** The counts that keep checkpoints, in the order in which they are named. */
export const keepRules = [
  'keepLast',
  'hourly',
  'daily',
  'weekly',
  'monthly',
] as const satisfies (keyof RetentionPolicy)[];
export type KeepRule = (typeof keepRules)[number];

/** Why a checkpoint goes: its time is over; no count keeps it; the machine's checkpoints cost too much. */
export type DeletingRule = 'expired' | 'notKept' | 'space';

/** Why a checkpoint stays; the first that holds. */
export type KeepingRule =
  | 'nowParent'
  | 'undo'
  | 'pinned'
  | 'named'
  | 'clone'
  | 'notDue'
  | 'builtOn'
  | KeepRule
  | 'oldest'
  | 'sameInstant'
  | 'ageUnknown'
  | 'clock'
  | 'minimum'
  | 'noRule';

export interface PrunedCheckpoint {
  id: string;
  name: string;
  created: string;
  rule: DeletingRule;
  /** The rule, as a sentence for the user. */
  reason: string;
  /** What deleting it frees at most, after those before it in the list. */
  freedBytes: number;
}

export interface KeptCheckpoint {
  id: string;
  name: string;
  created: string;
  rule: KeepingRule;
  reason: string;
}

/** What the rules say of one machine. */
export interface RetentionPlan {
  /** In the order in which they are to be deleted. */
  deleted: PrunedCheckpoint[];
  /** Oldest first. */
  kept: KeptCheckpoint[];
  /** What the user should know besides: a clock that cannot be believed, a budget that cannot be kept to. */
  notes: string[];
}

export interface PrunedMachine extends RetentionPlan {
  machine: string;
}

/** Operations on retention, in the form of {@link Operations}. */
export interface RetentionOperations {
  /** Shows the policy, or replaces it whole; an empty one is no policy. */
  policy: {
    params: { machine: string; policy?: RetentionPolicy };
    result: { machine: string; policy: RetentionPolicy };
  };
  /** Carries the rules out, for all machines unless one is named. */
  prune: {
    params: { machine?: string; /** Only tell. */ dryRun?: boolean };
    result: {
      isDryRun: boolean;
      machines: PrunedMachine[];
      /** Machines on which it failed, such as one that is busy. The others were pruned. */
      failed: { machine: string; code: string; message: string }[];
    };
  };
}

export const retentionOperationNames = ['policy', 'prune'] as const satisfies readonly (keyof RetentionOperations)[];
