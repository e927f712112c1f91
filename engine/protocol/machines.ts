import type { GuardInfo, OpenGuardInfo } from './guard-info.ts';
import type { Saying } from './sentences.ts';

/** What the engine tells its clients about hosts, machines and checkpoints. Times are ISO 8601 in UTC, sizes in bytes. */

/** `qemu`: machines that the QEMU of this computer runs. `disks`: plain disk images, whatever program uses them. */
export type HostId = 'qemu' | 'disks';

export interface HostInfo {
  id: HostId;
  /** As shown in the tree, such as `Local (QEMU)`. */
  label: string;
  available: boolean;
  /** Why the host cannot be used, and what to do; absent when available. */
  problem?: string;
  /** The same, for front ends in other languages. */
  problemSentences?: Saying[];
  /** Hypervisor version, such as `7.2.22`; absent when not available. */
  version?: string;
  /** Accelerator that a probe found to work; absent until the first machine has been started. */
  accelerator?: string;
  machines: MachineInfo[];
}

/**
 * `saved`: off, with its memory in a file, which the next start resumes. `damaged`: its files cannot be believed. `unreachable`: its
 * folder is not there or may not be read, while nothing is known to be lost. Of both `problem` says why, and no operation but listing
 * works.
 */
export type MachineState = 'stopped' | 'saved' | 'running' | 'paused' | UnreadState;

export type UnreadState = 'damaged' | 'unreachable';

export interface MachineInfo {
  id: string;
  name: string;
  host: HostId;
  /** The group of machines that it is shown in; absent for none. */
  group?: string;
  state: MachineState;
  /** What is wrong, or how the hypervisor last ended when that was not a clean stop. */
  problem?: string;
  /** The same, for front ends in other languages. */
  problemSentences?: Saying[];
  /** The guest's kernel has panicked, and the machine was not reset since. */
  hasPanicked?: true;
  /** The hypervisor's log, when it did not end cleanly. */
  hypervisorLog?: string;
  /** The operation that is changing the machine at this moment, and who runs it. */
  busy?: { operation: string; holder: string };
  /** A job on the machine whose process ended without an outcome: `resumeJob` lets it go on, `cancelJob` undoes it. */
  interrupted?: { job: string; operation: string };
  /** Guards whose command has not ended; absent when there is none. */
  guards?: OpenGuardInfo[];
  folder: string;
  /** Its folder was moved out of the home. */
  isMoved?: true;
  /** Absent where the host knows disks only. */
  memoryBytes?: number;
  cpus?: number;
  /** How it starts up; `bios` when absent. */
  firmware?: 'bios' | 'uefi';
  /** Whether it has a TPM 2.0. */
  tpm?: boolean;
  /** Process id of the hypervisor; absent unless running or paused. */
  pid?: number;
  disks: DiskInfo[];
  /** In order of creation. The tree is in their `parent` members. */
  checkpoints: CheckpointInfo[];
  /** Deleted checkpoints that can still be restored, in order of deletion. */
  trash: TrashedInfo[];
  now: NowInfo;
}

export interface DiskInfo {
  id: string;
  /** Absolute path of the active layer. */
  activeLayer: string;
  virtualSizeBytes: number;
}

export interface NowInfo {
  /** Checkpoint that Now grew from; absent before the first one. */
  parent?: string;
  /** What `undo` goes back to; absent when there is nothing to undo. */
  undo?: string;
  /** What `redo` goes to; absent when nothing was undone. */
  redo?: string;
  /** Of a machine that is saved: bytes of its memory file. */
  savedMemoryBytes?: number;
}

/** A deleted checkpoint: out of the tree, but whole. */
export interface TrashedInfo {
  checkpoint: CheckpointInfo;
  /** When it was deleted, and when it goes for good. */
  deleted: string;
  expires: string;
}

/**
 * How the memory of a running guest was saved: `background-snapshot` while it ran on, each page before it was next written;
 * `pause-before-switchover` while it ran, with a pause for the last of it; `stopped` while it stood still.
 */
export type MemoryMethod = 'background-snapshot' | 'pause-before-switchover' | 'stopped';

/**
 * What to take of a running machine: `standard` with its memory; `production` without, its file systems frozen by the agent in
 * the guest, and standard where that is not possible; `production-only` refuses there.
 */
export type CheckpointKind = 'standard' | 'production' | 'production-only';

/** Consistency achieved, see the words in CONTRIBUTING.md. */
export type Consistency = 'application' | 'file-system' | 'crash' | 'offline';

export type Colour = 'red' | 'orange' | 'yellow' | 'green' | 'blue' | 'purple';

/** What asked for a checkpoint. */
export type CreatedBy = 'person' | 'task' | 'debug' | 'agent' | 'guard' | 'apply' | 'undo' | 'redo';

export interface CheckpointInfo {
  id: string;
  parent?: string;
  name: string;
  notes?: string;
  created: string;
  createdBy: CreatedBy;
  hasMemory: boolean;
  consistency: Consistency;
  /** When it will be deleted by itself; only checkpoints that apply and undo keep have this. */
  expires?: string;
  /** How long the guest stood still while it was taken, in milliseconds; absent when it was stopped. */
  pauseMs?: number;
  /** How long it took until everything of the running guest was saved, in milliseconds. */
  totalMs?: number;
  memoryMethod?: MemoryMethod;
  /** It was taken of a saved machine: applied, it makes a saved machine, which its next start resumes. */
  wasSaved?: boolean;
  /** Bytes of its memory file on disk; absent without memory. */
  memoryFileBytes?: number;
  /** Bytes of its memory before it was packed; absent where it is not. */
  unpackedMemoryBytes?: number;
  /** Never deleted by a rule. */
  pinned?: boolean;
  /** Colour tag. */
  colour?: Colour;
  /** The group that it was taken in: its checkpoints on other machines have the same. */
  group?: string;
  /** It was taken before a guarded command. */
  guard?: GuardInfo;
  /** It was taken after one: id of the checkpoint that was taken before. */
  guardOf?: string;
  /** Git state of the workspace that it was taken from. */
  git?: { branch?: string; commit: string };
}

export interface ImageInfo {
  name: string;
  description: string;
  /** False for a published image that is downloaded on first use. */
  installed: boolean;
  memoryMiB: number;
  cpus: number;
  /** How to log in, for the person at the console. */
  login?: string;
}
