/** What the engine knows of tasks.json beside the Language Server Protocol. */

/** Request with {@link GuardTaskParams}, answered with {@link GuardTaskResult}. Nothing is written: the text is the client's. */
export const guardTaskMethod = 'vmCheckpoints/guardTask';

/** Members of a task of type `vm-checkpoint`. */
export interface CheckpointBefore {
  machine: string;
  name?: string;
  memory?: boolean;
  keepLast?: number;
}

export interface GuardTaskParams {
  /** Content of tasks.json. */
  text: string;
  /** Label of the task that is to depend on a checkpoint. */
  label: string;
  /** Its definition, for one that another extension provides and that is not in the file yet. */
  definition: Record<string, unknown>;
  checkpoint: CheckpointBefore;
}

/** `guarded`: it depends on a checkpoint of the machine already. */
export type GuardTaskResult = { kind: 'guarded' } | { kind: 'edited'; text: string };
