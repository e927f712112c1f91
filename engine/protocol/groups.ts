import type { CheckpointInfo, CheckpointKind, CreatedBy, MachineInfo } from './machines.ts';
import type { ResumeStep } from './resume-steps.ts';
import type { Saying } from './sentences.ts';

/** Checkpoints of several machines that were taken together. */
export interface GroupInfo {
  id: string;
  name: string;
  /** When the first of them was taken. */
  created: string;
  members: GroupMember[];
}

export interface GroupMember {
  machine: string;
  checkpoint: CheckpointInfo;
}

/** A sentence, and the same for front ends in other languages. */
export interface ToldProblem {
  problem: string;
  problemSentences: Saying[];
}

/** Names a group by id, by a unique beginning of it (4 or more characters), or by its name where that is unique. */
interface OnGroup {
  group: string;
}

/** Operations on groups, in the form of {@link Operations}. Each happens to all of their machines, or to none. */
export interface GroupOperations {
  groupList: { params: Record<string, never>; result: { groups: GroupInfo[] } };
  groupTake: {
    params: {
      /** Default: local date and time. */
      name?: string;
      machines: string[];
      notes?: string;
      /** Save the memory of those that run too; default true. */
      memory?: boolean;
      /** What to take of those that run; default `standard`. Of one that is saved it is asked as well. */
      kind?: CheckpointKind;
      createdBy?: CreatedBy;
      /** Git state of the workspace that it is taken from. */
      git?: { branch?: string; commit: string };
    };
    result: {
      group: GroupInfo;
      machines: MachineInfo[];
      /** By name of machine: why its checkpoint is not of the kind that was asked for, or what is to be seen to in the guest. */
      problems: Record<string, ToldProblem>;
    };
  };
  groupApply: {
    params: OnGroup & {
      /** Leave the checkpoints' memory out: the machines end stopped. */
      disksOnly?: boolean;
    };
    result: {
      group: GroupInfo;
      machines: MachineInfo[];
      /** By name of machine: what was done for a guest that came back with its memory. */
      steps: Record<string, ResumeStep[]>;
    };
  };
  /** Moves the checkpoints to the trash. */
  groupDelete: { params: OnGroup; result: { group: GroupInfo; machines: MachineInfo[] } };
}

export const groupOperationNames = [
  'groupList',
  'groupTake',
  'groupApply',
  'groupDelete',
] as const satisfies readonly (keyof GroupOperations)[];
