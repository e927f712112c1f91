import type { CommandEnd, GuardPlace } from './guard-info.ts';
import type { CheckpointInfo, CheckpointKind, MachineInfo } from './machines.ts';
import type { ResumeStep } from './resume-steps.ts';
import type { Saying } from './sentences.ts';

/** Operations on guards, in the form of {@link Operations}. A guard is a pair of checkpoints around a command. */
export interface GuardOperations {
  /** Takes the checkpoint before a command. The engine that does it counts as whoever waits for the command. */
  guardBegin: {
    params: {
      machine: string;
      command: string[];
      /** Default `here`. */
      where?: GuardPlace;
      /** As of `take`. Default name: `before` and the command. */
      name?: string;
      memory?: boolean;
      kind?: CheckpointKind;
      git?: { branch?: string; commit: string };
    };
    result: { machine: MachineInfo; checkpoint: CheckpointInfo; problem?: string; problemSentences?: Saying[] };
  };
  /** Says how the command ended, and what is to become of what it did. */
  guardEnd: {
    params: {
      machine: string;
      /** The checkpoint before; by default that of the machine's only guard that has not ended. */
      checkpoint?: string;
      end: CommandEnd;
      /** `keep`: a second checkpoint is taken. `revert`: Now is put back; what it was is kept as `apply` keeps it. */
      outcome: 'keep' | 'revert';
    };
    result: {
      machine: MachineInfo;
      before: CheckpointInfo;
      /** The one after the command; absent after a revert, and when Now no longer grows from the one before. */
      after?: CheckpointInfo;
      /** What Now was before a revert; `undo` goes back to it. */
      kept?: CheckpointInfo;
      /** As of `apply`, of a revert. */
      steps?: ResumeStep[];
      /** Nothing was written to a disk between the two: both are in the trash. */
      isEmpty: boolean;
    };
  };
  /** Runs a program in the guest, through its agent, and waits for its end. Cancelling ends the program. */
  guestExec: {
    params: {
      machine: string;
      /** Program and arguments; no shell. */
      command: string[];
      /** After so long the program is ended, and the call fails with `GuestNotResponding`. Default: no limit. */
      timeoutSeconds?: number;
    };
    result: CommandEnd & {
      /** What it printed, in base64; the agent has it when the program has ended, and no more of it than some MiB. */
      output: string;
      errorOutput: string;
      isCutShort: boolean;
    };
  };
}

export const guardOperationNames = [
  'guardBegin',
  'guardEnd',
  'guestExec',
] as const satisfies readonly (keyof GuardOperations)[];
