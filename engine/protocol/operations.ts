import { copyOperationNames, type CopyOperations } from './copies.ts';
import { compareOperationNames, type CompareOperations } from './compare.ts';
import { diskOperationNames, type DiskOperations } from './disks.ts';
import type { HiddenLayerInfo } from './hidden-layers.ts';
import { guardOperationNames, type GuardOperations } from './guards.ts';
import { groupOperationNames, type GroupOperations } from './groups.ts';
import { historyOperationNames, type HistoryOperations } from './history.ts';
import { machineGroupOperationNames, type MachineGroupOperations } from './machine-groups.ts';
import { layerOperationNames, type LayerOperations } from './layers.ts';
import { lifeOperationNames, type LifeOperations } from './life.ts';
import { jobOperationNames, type JobOperations } from './jobs.ts';
import { doctorOperationNames, type DoctorOperations } from './doctor.ts';
import { retentionOperationNames, type RetentionOperations } from './retention.ts';
import { planOperationNames, type PlanOperations } from './plans.ts';
import { packOperationNames, type PackOperations } from './packing.ts';
import type { ResumeStep } from './resume-steps.ts';
import type { Saying } from './sentences.ts';
import { mergeOperationNames, type MergeOperations } from './merges.ts';
import { spaceOperationNames, type SpaceOperations, type SpaceWarning } from './space.ts';
import type {
  CheckpointInfo,
  CheckpointKind,
  Colour,
  CreatedBy,
  HostId,
  HostInfo,
  ImageInfo,
  MachineInfo,
} from './machines.ts';

/** Names a machine by name or id. */
interface OnMachine {
  machine: string;
}

/** Names a checkpoint of a machine by id, by a unique beginning of the id (4 or more characters), or by its name where that is unique. */
interface OnCheckpoint extends OnMachine {
  checkpoint: string;
}

/** Every operation: JSON-RPC method `vmCheckpoints/NAME`, and the service call behind a `ckpt` verb. */
export interface Operations
  extends
    CopyOperations,
    GroupOperations,
    DiskOperations,
    JobOperations,
    LifeOperations,
    RetentionOperations,
    SpaceOperations,
    MergeOperations,
    PackOperations,
    LayerOperations,
    HistoryOperations,
    CompareOperations,
    MachineGroupOperations,
    DoctorOperations,
    PlanOperations,
    GuardOperations {
  about: { params: Record<string, never>; result: EngineInfo };
  list: {
    params: Record<string, never>;
    result: {
      hosts: HostInfo[];
      /** Volumes of running machines that are going to be full. */ warnings?: SpaceWarning[];
    };
  };
  show: {
    params: OnMachine & {
      /** To be shown with what lists leave out; of one in the trash its id. */
      checkpoint?: string;
    };
    result: {
      machine: MachineInfo;
      /** The one that was named. */
      checkpoint?: CheckpointInfo;
      /**
       * The last lines of what the machine's console showed when that was taken, as plain text, of which the last line may be
       * unfinished; absent where nothing is known.
       */
      console?: string;
      /** Absent where it cannot be told: a chain is broken, or the records are. */
      hiddenLayers?: HiddenLayerInfo[];
    };
  };
  images: { params: Record<string, never>; result: { images: ImageInfo[] } };
  createMachine: {
    params: {
      name: string;
      /** Path of a disk image, copied into the machine's folder. Exactly one of `disk` and `image`. */
      disk?: string;
      /** Catalogue entry. */
      image?: string;
      /** Format of `disk` when its content cannot tell, that is for `raw`. */
      format?: 'raw';
      memoryMiB?: number;
      cpus?: number;
      /** `bios` by default. UEFI has variables of its own, which every checkpoint keeps. */
      firmware?: 'bios' | 'uefi';
      /** With a TPM 2.0, whose state every checkpoint keeps. */
      tpm?: boolean;
    };
    result: { machine: MachineInfo };
  };
  addMachine: {
    params: {
      name: string;
      /**
       * `qemu` (default): the image is used through a differencing layer and never written. `disks`: the image stays what
       * another program uses by its path; checkpoints are taken in place.
       */
      host?: HostId;
      /** Path of an existing image. */
      disk: string;
      /** Host `disks` only: the machine's other disks. */
      moreDisks?: string[];
      format?: 'raw';
      memoryMiB?: number;
      cpus?: number;
      /** `bios` by default. UEFI has variables of its own, which every checkpoint keeps. */
      firmware?: 'bios' | 'uefi';
      /** With a TPM 2.0, whose state every checkpoint keeps. */
      tpm?: boolean;
    };
    result: { machine: MachineInfo };
  };
  removeMachine: { params: OnMachine; result: { removed: string } };
  start: {
    params: OnMachine;
    result: { machine: MachineInfo; /** Of one that was saved. */ steps?: ResumeStep[] };
  };
  stop: {
    params: OnMachine & {
      /** End the hypervisor at once, like pulling the plug. */
      force?: boolean;
      /** How long the guest may take to shut down before `GuestNotResponding`; default 60. */
      timeoutSeconds?: number;
    };
    result: { machine: MachineInfo };
  };
  pause: { params: OnMachine; result: { machine: MachineInfo } };
  resume: { params: OnMachine; result: { machine: MachineInfo; steps: ResumeStep[] } };
  take: {
    params: OnMachine & {
      /** Default: local date and time. */
      name?: string;
      notes?: string;
      /** Save memory too; default true when the machine runs. Not allowed on a stopped one. */
      memory?: boolean;
      /** Default standard. Of a stopped machine all are the same. */
      kind?: CheckpointKind;
      createdBy?: CreatedBy;
      /** Of those with the same name and maker only so many stay, this one included; older ones go to the trash. Needs a name. */
      keepLast?: number;
      git?: { branch?: string; commit: string };
    };
    result: {
      machine: MachineInfo;
      checkpoint: CheckpointInfo;
      totalMs: number;
      /** Why it is not of the kind that was asked for, or what is to be seen to in the guest. */
      problem?: string;
      /** The same, for front ends in other languages. */
      problemSentences?: Saying[];
    };
  };
  apply: { params: OnCheckpoint & ApplyOptions; result: ApplyResult };
  revert: { params: OnMachine & ApplyOptions; result: ApplyResult };
  undo: { params: OnMachine; result: ApplyResult };
  redo: { params: OnMachine; result: ApplyResult };
  delete: {
    params: OnCheckpoint & {
      /** Further checkpoints of the machine, deleted together with it: all of them, or none. */
      also?: string[];
      /** With everything that hangs from them. */
      subtree?: boolean;
      /** Not into the trash, but for good: its layers merge away. */
      purge?: boolean;
      /** With `purge`, bytes a second, at most, at which layers of a running machine are merged. */
      speed?: number;
    };
    result: {
      machine: MachineInfo;
      deleted: CheckpointInfo;
      /** All that were deleted, each after what it hung from. */
      all: CheckpointInfo[];
      /** Zero while they are in the trash. */
      freedBytes: number;
      movedBytes: number;
      /** Why layers that nobody needs are still there; absent when they are gone. */
      problem?: string;
    };
  };
  /** Puts a deleted checkpoint back. */
  restore: { params: OnCheckpoint; result: { machine: MachineInfo; checkpoint: CheckpointInfo } };
  /** Deletes for good what is in the trash, or one of it, and merges hidden layers away. */
  emptyTrash: {
    params: OnMachine & {
      checkpoint?: string;
      /** As of `delete`. */
      speed?: number;
    };
    result: {
      machine: MachineInfo;
      discarded: CheckpointInfo[];
      freedBytes: number;
      movedBytes: number;
      /** As of `delete`. */
      problem?: string;
    };
  };
  annotate: {
    params: OnCheckpoint & {
      /** Empty: none. */
      notes?: string;
      pinned?: boolean;
      colour?: Colour | 'none';
    };
    result: { machine: MachineInfo; checkpoint: CheckpointInfo };
  };
  rename: { params: OnCheckpoint & { name: string }; result: { machine: MachineInfo; checkpoint: CheckpointInfo } };
}

export interface ApplyOptions {
  /** Do not keep what Now was. */
  discardNow?: boolean;
  /** Leave the checkpoint's memory out: the machine ends stopped. */
  disksOnly?: boolean;
  /** Have the guest ask for its addresses again (DHCP), when it comes back with its memory; needs the agent in the guest. */
  renewNetwork?: boolean;
}

export interface ApplyResult {
  machine: MachineInfo;
  applied: CheckpointInfo;
  /** What Now was, unless it was discarded; `undo` goes back to it. */
  kept?: CheckpointInfo;
  /** Until the guest ran. */
  totalMs: number;
  /** What was done afterwards for a guest that came back with its memory. */
  steps?: ResumeStep[];
}

export interface EngineInfo {
  version: string;
  pid: number;
  node: string;
  /** Folder that holds machines and images. */
  home: string;
  logFile: string;
}

export type OperationName = keyof Operations;
export type Params<K extends OperationName> = Operations[K]['params'];
export type Result<K extends OperationName> = Operations[K]['result'];

export const operationNames = [
  'about',
  'list',
  'show',
  'images',
  'createMachine',
  'addMachine',
  'removeMachine',
  'start',
  'stop',
  'pause',
  'resume',
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
  ...copyOperationNames,
  ...groupOperationNames,
  ...diskOperationNames,
  ...jobOperationNames,
  ...lifeOperationNames,
  ...retentionOperationNames,
  ...spaceOperationNames,
  ...mergeOperationNames,
  ...packOperationNames,
  ...layerOperationNames,
  ...historyOperationNames,
  ...compareOperationNames,
  ...machineGroupOperationNames,
  ...doctorOperationNames,
  ...planOperationNames,
  ...guardOperationNames,
] as const satisfies readonly OperationName[];

/** JSON-RPC method of an operation. */
export function methodOf(name: OperationName): string {
  return `vmCheckpoints/${name}`;
}

/**
 * Sent with a request as the member `progressId` of its params (any string that the client chose);
 * the engine then reports with {@link progressMethod} until the request is answered.
 */
export interface WithProgress {
  progressId?: string;
}

export const progressMethod = 'vmCheckpoints/progress';
export interface ProgressParams {
  progressId: string;
  /** What is being done, for the person waiting. */
  message: string;
  /** Share done, from 0 to 1; absent when it cannot be known. */
  fraction?: number;
}

/** Sent by the engine when machines changed, whoever changed them. Absent `machines`: everything may have changed. */
export const changedMethod = 'vmCheckpoints/changed';
export interface ChangedParams {
  /** Names of the machines that changed. */
  machines?: string[];
}
