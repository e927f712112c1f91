import { isDeepStrictEqual } from 'node:util';
import type { Host, RunnableMachine } from '../hosts/host.ts';
import { sameLayers } from '../model/tree.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';
import type { EngineContext } from './engine-context.ts';
import { executeDelete } from './delete.ts';
import { areWhole, freeze, releaseLayers, thaw } from './layers.ts';

/**
 * Finishes or undoes what an operation left that did not come to its end, whoever ran it. To be called with the machine
 * locked; safe to repeat. An operation has happened once Now says so.
 */
export async function recover(context: EngineContext, folder: MachineFolder): Promise<void> {
  const journal = await folder.readJournal();
  if (journal === undefined) {
    return;
  }
  context.log.info(`Machine ${folder.path}: ending an interrupted ${journal.operation}.`);
  const records = await folder.read();
  if (journal.operation === 'delete') {
    await executeDelete(folder, records, journal);
  } else if (hasHappened(records, journal)) {
    await finish(context.host, folder, records, journal);
  } else if (journal.operation === 'take') {
    await undoTake(context.host, folder, records, journal);
  } else {
    await undoApply(context.host, folder, records, journal);
  }
  await folder.clearJournal();
}

/** After a failure in the middle: as {@link recover}. When that fails too, the journal stays for the next engine to try. */
export async function undoFailed(context: EngineContext, folder: MachineFolder): Promise<void> {
  try {
    await recover(context, folder);
  } catch (error) {
    context.log.error(`Machine ${folder.path}: an operation failed and could not be undone yet: ${String(error)}`);
  }
}

function hasHappened(records: MachineRecords, journal: JournalRecord): boolean {
  return sameLayers(records.now.activeLayers, journal.newLayers);
}

/** The last steps of a take, an apply or an undo: after Now was replaced. */
export async function finish(
  host: Host,
  folder: MachineFolder,
  records: MachineRecords,
  journal: JournalRecord,
): Promise<void> {
  const definition = journal.definition ?? records.definition;
  if (!isDeepStrictEqual(definition, records.definition)) {
    await folder.writeDefinition(definition);
  }
  const machine: RunnableMachine = { folder, definition, layers: journal.newLayers };
  await host.settle(machine, journal.operation === 'take' ? 'stay' : 'exchange', journal.runsAfterwards);
  if (journal.releasedCheckpoint !== undefined) {
    await folder.removeCheckpoint(journal.releasedCheckpoint);
  }
  if (journal.releasedMemoryFile !== undefined) {
    await folder.removeFile(journal.releasedMemoryFile);
  }
  const made = records.checkpoints.find((checkpoint) => checkpoint.id === journal.checkpoint);
  if (made !== undefined) {
    await freeze(folder, made.layers);
  }
  await releaseLayers(folder, await folder.read(), journal.releasedLayers);
}

async function undoTake(
  host: Host,
  folder: MachineFolder,
  records: MachineRecords,
  journal: JournalRecord,
): Promise<void> {
  const present: RunnableMachine = { folder, definition: records.definition, layers: records.now.activeLayers };
  await host.settle(present, 'stay', journal.wasRunning);
  if (journal.checkpoint !== undefined) {
    await folder.removeCheckpoint(journal.checkpoint);
  }
  if (journal.memoryFile !== undefined) {
    await folder.removeFile(journal.memoryFile);
  }
  // The guest may write to the new layers already. They stay then, on top of what is no checkpoint: the tree and the
  // content are as before, with one layer more in the chain.
  const isInUse = await host.runsOn(folder, journal.newLayers);
  const mayHaveBeenUsed = journal.wasRunning && !(await host.runsOn(folder, records.now.activeLayers));
  if (isInUse || (mayHaveBeenUsed && (await areWhole(folder, records.definition, journal.newLayers)))) {
    await folder.writeNow({ ...records.now, activeLayers: journal.newLayers });
    await freeze(folder, records.now.activeLayers);
  } else {
    await removeFiles(folder, journal);
  }
}

async function undoApply(
  host: Host,
  folder: MachineFolder,
  records: MachineRecords,
  journal: JournalRecord,
): Promise<void> {
  const present: RunnableMachine = { folder, definition: records.definition, layers: records.now.activeLayers };
  await host.settle(present, 'stay', journal.wasRunning);
  if (journal.checkpoint !== undefined) {
    await folder.removeCheckpoint(journal.checkpoint);
  }
  if (journal.memoryFile !== undefined) {
    await folder.removeFile(journal.memoryFile);
  }
  await thaw(folder, records.now.activeLayers);
  if (journal.reusesLayers) {
    await freeze(folder, journal.newLayers);
  } else {
    await removeFiles(folder, journal);
  }
}

async function removeFiles(folder: MachineFolder, journal: JournalRecord): Promise<void> {
  for (const layer of Object.values(journal.newLayers)) {
    await folder.removeFile(layer);
  }
}
