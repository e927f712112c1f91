import { isDeepStrictEqual } from 'node:util';
import type { Host, RunnableMachine } from '../hosts/host.ts';
import type { Now } from '../model/machine.ts';
import { sameLayers } from '../model/tree.ts';
import { removeFirmware } from '../store/firmware-folder.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';
import { activate, activationHasBegun, forgetActivation } from './activation.ts';
import { executeDelete } from './delete.ts';
import { hostOf, type EngineContext } from './engine-context.ts';
import { undoExport } from './journaled-export.ts';
import { releaseLayers } from './layer-graph.ts';
import { areWhole, freeze, thaw, type LayerFacts } from './layers.ts';
import { isOfLife, recoverLife } from './recover-life.ts';
import { endPacking } from './recover-pack.ts';
import { executeRelink } from './relink.ts';
import { endRunningMerge } from './running-merge.ts';
import { executeDiscard, executeRestore } from './trash.ts';
import { giveOwedWelcome, welcomeRecovered } from './welcome-back.ts';

/**
 * Finishes or undoes what an operation left that did not come to its end, whoever ran it. To be called with the machine
 * locked; safe to repeat. An operation has happened once Now says so.
 * @returns what was ended
 */
export async function recover(context: EngineContext, folder: MachineFolder): Promise<JournalRecord | undefined> {
  const journal = await folder.readJournal();
  if (journal === undefined) {
    await giveOwedWelcome(context, folder);
    return undefined;
  }
  context.log.info(`Machine ${folder.path}: ending an interrupted ${journal.operation}.`);
  const records = await folder.read();
  switch (journal.operation) {
    case 'delete':
      await executeDelete(folder, records, journal);
      if (journal.isForGood === true) {
        await executeDiscard(folder, await folder.read(), journal);
      }
      break;
    case 'restore':
      await executeRestore(folder, records, journal);
      break;
    case 'discard':
      await executeDiscard(folder, records, journal);
      break;
    case 'relink':
      await executeRelink(folder, records, journal);
      break;
    case 'merge':
      await endRunningMerge(hostOf(context, records.definition), folder, records, journal);
      break;
    case 'pack':
      await endPacking(folder, records, journal);
      break;
    case 'export':
      await undoExport(context, journal);
      break;
    default: {
      const host = hostOf(context, records.definition);
      if (isOfLife(journal.operation)) {
        await recoverLife(host, folder, records, journal);
      } else {
        if (journal.quiesces === true) {
          await thawOrTell(context, folder, records);
        }
        await recoverChange(host, folder, records, journal);
      }
      await welcomeRecovered(context, folder, host, journal);
    }
  }
  await folder.clearJournal();
  return journal;
}

/**
 * After a failure in the middle: as {@link recover}. When that fails too, the journal stays for the next engine to try.
 * @param hasHappened told by Now
 * @returns true when it has happened all the same
 */
export async function undoFailed(
  context: EngineContext,
  folder: MachineFolder,
  hasHappened: (now: Now) => boolean,
): Promise<boolean> {
  try {
    await recover(context, folder);
  } catch (error) {
    context.log.error(`Machine ${folder.path}: an operation failed and could not be undone yet: ${String(error)}`);
  }
  const found = await folder.read().catch(() => undefined);
  return found !== undefined && hasHappened(found.now);
}

/**
 * The last steps of what has happened already: should they fail, the journal stays, and the next engine takes them. They do no
 * harm when they are taken once more.
 */
export async function finishOrLeave(
  context: EngineContext,
  folder: MachineFolder,
  steps: () => Promise<void>,
): Promise<void> {
  try {
    await steps();
    await folder.clearJournal('in passing');
  } catch (error) {
    context.log.error(`Machine ${folder.path}: the end of an operation is left to the next engine: ${String(error)}`);
  }
}

/** Whether the guest lets itself be thawed or not, disks and records have to be put right. */
async function thawOrTell(context: EngineContext, folder: MachineFolder, records: MachineRecords): Promise<void> {
  try {
    await hostOf(context, records.definition).thaw(folder);
  } catch (error) {
    context.log.error(`Machine ${folder.path}: ${String(error)}`);
  }
}

async function recoverChange(
  host: Host,
  folder: MachineFolder,
  records: MachineRecords,
  journal: JournalRecord,
): Promise<void> {
  const { now, definition } = records;
  const files = new LayerFiles(folder, definition, now.activeLayers);
  if (sameLayers(now.activeLayers, journal.after.activeLayers)) {
    await finish(host, folder, records, journal);
  } else if (await activationHasBegun(files, now.activeLayers)) {
    await activate(files, now.activeLayers, journal.after.activeLayers);
    await folder.writeNow(journal.after);
    await finish(host, folder, await folder.read(), journal);
  } else if (journal.operation === 'take') {
    await undoTake(host, files, records, journal);
  } else {
    await undoApply(host, files, records, journal);
  }
}

/**
 * The last steps of a take, an apply, an undo or a redo: after Now was replaced.
 * @param seen what the layers that are to be frozen were seen to look like
 */
export async function finish(
  host: Host,
  folder: MachineFolder,
  records: MachineRecords,
  journal: JournalRecord,
  seen?: LayerFacts,
): Promise<void> {
  const definition = journal.definition ?? records.definition;
  if (!isDeepStrictEqual(definition, records.definition)) {
    await folder.writeDefinition(definition);
  }
  const layers = journal.after.activeLayers;
  const machine: RunnableMachine = { folder, definition, layers };
  const files = new LayerFiles(folder, definition, layers);
  await host.settle(machine, journal.operation === 'take' ? 'stay' : 'exchange', journal.runsAfterwards);
  if (journal.releasedCheckpoint !== undefined) {
    await folder.removeCheckpoint(journal.releasedCheckpoint);
  }
  for (const file of [journal.releasedMemoryFile, journal.alsoReleasedMemoryFile]) {
    if (file !== undefined) {
      await folder.removeFile(folder.inner(file));
    }
  }
  await removeFirmware(folder, journal.releasedFirmware);
  const made = records.checkpoints.find((checkpoint) => checkpoint.id === journal.checkpoint);
  if (made !== undefined) {
    await freeze(files, made.layers, seen);
  }
  if (journal.releasedLayers.length > 0) {
    await releaseLayers(folder, files, await folder.read(), journal.releasedLayers);
  }
}

async function undoTake(host: Host, files: LayerFiles, records: MachineRecords, journal: JournalRecord): Promise<void> {
  const { folder, definition } = files;
  const { activeLayers } = records.now;
  const newLayers = journal.after.activeLayers;
  await host.settle({ folder, definition, layers: activeLayers }, 'stay', journal.wasRunning);
  await removeMade(folder, records.now, journal);
  // The guest may write to the new layers already. They stay then, on top of what is no checkpoint: the tree and the
  // content are as before, with one layer more in the chain.
  const isInUse = await host.runsOn(folder, newLayers);
  const mayHaveBeenUsed = journal.wasRunning && !(await host.runsOn(folder, activeLayers));
  if (isInUse || (mayHaveBeenUsed && (await areWhole(files, newLayers)))) {
    await folder.writeNow({ ...records.now, activeLayers: newLayers });
    await freeze(files, activeLayers);
  } else {
    await removeLayers(files, records, journal);
  }
}

async function undoApply(
  host: Host,
  files: LayerFiles,
  records: MachineRecords,
  journal: JournalRecord,
): Promise<void> {
  const { folder, definition } = files;
  const { activeLayers } = records.now;
  await host.settle({ folder, definition, layers: activeLayers }, 'stay', journal.wasRunning);
  await removeMade(folder, records.now, journal);
  await thaw(files, activeLayers);
  if (journal.reusesLayers) {
    await freeze(files, journal.after.activeLayers);
    await forgetActivation(files, activeLayers);
  } else {
    await removeLayers(files, records, journal);
  }
}

/** @param kept saved memory that Now has, before as after */
async function removeMade(folder: MachineFolder, { memory: kept }: Now, journal: JournalRecord): Promise<void> {
  if (journal.checkpoint !== undefined) {
    await folder.removeCheckpoint(journal.checkpoint);
  }
  if (journal.memoryFile !== undefined) {
    await folder.removeFile(folder.inner(journal.memoryFile));
  }
  const { memory } = journal.after;
  if (memory !== undefined && memory.file !== kept?.file && !journal.reusesLayers) {
    await folder.removeFile(folder.inner(memory.file));
  }
  await removeFirmware(folder, journal.madeFirmware);
}

async function removeLayers(files: LayerFiles, records: MachineRecords, journal: JournalRecord): Promise<void> {
  const { folder } = files;
  const made = new LayerFiles(folder, journal.definition ?? records.definition, {});
  for (const disk of made.disks) {
    const layer = journal.after.activeLayers[disk.id];
    if (layer !== undefined) {
      await folder.removeFile(made.restingFileOf(disk, layer));
    }
  }
  await forgetActivation(files, records.now.activeLayers);
}
