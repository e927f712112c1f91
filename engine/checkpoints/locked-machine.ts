import path from 'node:path';
import type { Presence } from '../hosts/host.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { englishOf, errorSaying, say } from '../model/sayings.ts';
import type { Sentence } from '../protocol/sentences.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';

/** A machine that is locked and whole. */
export interface OpenMachine {
  folder: MachineFolder;
  records: MachineRecords;
  presence: Presence;
  /** How long it has run in all; undefined where machines do not run, or when it could not be recorded. */
  runningSeconds: number | undefined;
  /** Names of the checkpoints that a change is about, as it learns them: for the machine's history. */
  about: string[];
}

/** What a machine's folder says; the folder's name is the machine's. */
export async function readMachine(folder: MachineFolder): Promise<MachineRecords> {
  const records = await folder.read();
  return { ...records, definition: { ...records.definition, name: path.basename(folder.path) } };
}

/**
 * @param purpose ends the sentence, such as `removing it`
 * @throws MachineRunning
 */
export function requireStopped(machine: OpenMachine, purpose: string): void {
  const { name } = machine.records.definition;
  if (machine.presence.state !== 'stopped') {
    throw new CheckpointError(
      'MachineRunning',
      `Machine “${name}” is ${machine.presence.state}. Stop it before ${purpose}.`,
      { machine: name },
    );
  }
}

/** @throws MachineNotRunning */
export function requireUp({ records, presence }: OpenMachine): void {
  const { definition, now } = records;
  if (presence.state === 'stopped') {
    throw notRunning(definition.name, now.memory !== undefined, presence.problem);
  }
}

/** @param problem how it ended, when that was not cleanly */
export function notRunning(machine: string, isSaved = false, problem?: readonly Sentence[]): CheckpointError {
  return errorSaying(
    'MachineNotRunning',
    { machine, ...(problem === undefined ? {} : { problem: englishOf(problem) }) },
    isSaved ? say('machineIsSaved', { machine }) : say('machineNotRunning', { machine }),
    ...(problem ?? []),
  );
}
