import type { Colour, Consistency, CreatedBy, MemoryMethod } from '../protocol/machines.ts';
import type { LayerOfDisk, MachineDefinition } from './machine.ts';

/** A point in a machine's tree. Its layers are never written again. */
export interface Checkpoint {
  id: string;
  parent?: string;
  name: string;
  notes?: string;
  /** ISO 8601, UTC. */
  created: string;
  createdBy: CreatedBy;
  consistency: Consistency;
  /** Frozen top layer of each disk. */
  layers: LayerOfDisk;
  /** The machine as it was defined when the checkpoint was taken. */
  definition: MachineDefinition;
  memory?: SavedMemory;
  firmware?: FirmwareState;
  /** How long the guest stood still while it was taken, in milliseconds; absent when it was stopped. */
  pauseMs?: number;
  /** How long it took until everything of the running guest was saved, in milliseconds. */
  totalMs?: number;
  /** How long the machine had run in all when it was made, in seconds; absent where machines do not run. */
  runningSeconds?: number;
  /** ISO 8601, UTC: set on what apply and undo keep, until something is built on it. */
  expires?: string;
  /** Never deleted by a rule. */
  pinned?: boolean;
  colour?: Colour;
  /** Id that the checkpoints of a group share across machines. */
  group?: string;
  /** On what apply, undo and redo keep: what Now could be undone and redone to at that moment. */
  undo?: string;
  redo?: string;
  git?: { branch?: string; commit: string };
}

/** A deleted checkpoint, until its time is over. Its layers and memory are all there. */
export interface TrashedCheckpoint {
  checkpoint: Checkpoint;
  /** ISO 8601, UTC. */
  deleted: string;
  expires: string;
}

/** UEFI variables and TPM state of a checkpoint: a copy of its own, made while the guest stood still. */
export interface FirmwareState {
  /** Relative to the machine's folder, and the checkpoint's alone. */
  folder: string;
  files: FirmwareFile[];
}

export interface FirmwareFile {
  name: string;
  sizeBytes: number;
  sha256: string;
}

/** The memory of a running machine, with all that must be the same to resume it. */
export interface SavedMemory {
  /** Relative to the machine's folder. */
  file: string;
  sizeBytes: number;
  /** Of the file, in hexadecimal; absent for memory that was saved before this was put on record. */
  sha256?: string;
  method?: MemoryMethod;
  /** Whether the guest ran or was paused by its user; it comes back in the same state. */
  wasPaused: boolean;
  hypervisor: HypervisorIdentity;
}

/** QEMU resumes memory only on the same machine: these are compared before it is tried. */
export interface HypervisorIdentity {
  version: string;
  accelerator: string;
  /** Model of the computer's processor, which the guest sees unless QEMU emulates one. */
  processor?: string;
  /** Arguments that the guest can see: machine type, CPU, memory, devices; without paths and sockets. */
  guestArguments: string[];
}

/**
 * Files that are a checkpoint's alone, relative to the machine's folder: saved memory, UEFI variables and TPM state. Its
 * layers may be needed by others too.
 */
export function ownFilesOf({ memory, firmware }: Pick<Checkpoint, 'memory' | 'firmware'>): string[] {
  return [
    ...(memory === undefined ? [] : [memory.file]),
    ...(firmware === undefined ? [] : firmware.files.map(({ name }) => `${firmware.folder}/${name}`)),
  ];
}
