import type { GuardInfo } from '../protocol/guard-info.ts';
import type { Colour, Consistency, CreatedBy } from '../protocol/machines.ts';
import type { LayerOfDisk, MachineDefinition, Now } from './machine.ts';
import type { SavedMemory } from './saved-memory.ts';

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
  /** Of a machine that ran, without its memory: what its console showed; see `console-picture.ts`. */
  console?: string;
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
  /** It was taken before a guarded command. */
  guard?: GuardInfo;
  /** It was taken after one: id of the checkpoint that was taken before. */
  guardOf?: string;
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

/** Of a machine that is saved: its memory. What else is Now's alone is written to while the machine runs. */
export function presentFiles({ memory }: Now): Pick<Checkpoint, 'memory'> {
  return memory === undefined ? {} : { memory };
}
