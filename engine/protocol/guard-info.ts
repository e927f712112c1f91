/** What there is on record of guarded commands. */

/** Where a guarded command runs: on this computer, or in the machine, through the agent in its guest. */
export type GuardPlace = 'here' | 'guest';

/** How a command ended: with an exit code, or by a signal. */
export interface CommandEnd {
  exitCode?: number;
  /** Such as `SIGTERM`. */
  signal?: string;
}

/** What is on record of a guard, on the checkpoint that was taken before its command. */
export interface GuardInfo {
  /** Program and arguments. */
  command: string[];
  where: GuardPlace;
  /** The process that waits for the command. */
  process: { pid: number; identity?: string };
  /** Absent while the command runs, and for good when whoever waited for it died. */
  end?: CommandEnd & {
    /** When, ISO 8601 in UTC. */
    at: string;
    /** `reverted`: Now was put back to the checkpoint before. */
    outcome: 'kept' | 'reverted';
  };
}

/** A guard whose command has not ended. `interrupted`: whoever waited for it is gone; `guardEnd` says what is to become of it. */
export interface OpenGuardInfo {
  /** Id and name of the checkpoint before the command. */
  checkpoint: string;
  name: string;
  command: string[];
  state: 'running' | 'interrupted';
}
