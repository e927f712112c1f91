import type { Checkpoint } from '../model/checkpoint.ts';
import { planDelete } from '../model/tree.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';
import { releaseLayers } from './layers.ts';

/**
 * Deletes one checkpoint. What hangs from it hangs from its parent afterwards.
 * @returns bytes freed: its memory, and the layers that nothing else stands on
 */
export async function deleteCheckpoint(
  folder: MachineFolder,
  records: MachineRecords,
  deleted: Checkpoint,
): Promise<number> {
  const plan = planDelete({ machine: records.definition.name, ...records }, deleted);
  const journal: Omit<JournalRecord, 'version'> = {
    operation: 'delete',
    started: new Date().toISOString(),
    checkpoint: deleted.id,
    newLayers: {},
    reusesLayers: false,
    wasRunning: false,
    runsAfterwards: false,
    releasedLayers: plan.releasedLayers,
    ...(plan.memoryFile === undefined ? {} : { releasedMemoryFile: plan.memoryFile }),
  };
  await folder.writeJournal(journal);
  const freedBytes = await executeDelete(folder, records, journal);
  await folder.clearJournal();
  return freedBytes;
}

/** Carries out a journalled delete, from whichever step it got to. */
export async function executeDelete(
  folder: MachineFolder,
  records: MachineRecords,
  journal: Omit<JournalRecord, 'version'>,
): Promise<number> {
  const deleted = records.checkpoints.find((checkpoint) => checkpoint.id === journal.checkpoint);
  if (deleted !== undefined) {
    const plan = planDelete({ machine: records.definition.name, ...records }, deleted);
    for (const checkpoint of plan.reparented) {
      await folder.writeCheckpoint(checkpoint);
    }
    if (plan.now !== undefined) {
      await folder.writeNow(plan.now);
    }
    await folder.removeCheckpoint(deleted.id);
  }
  const memoryBytes =
    journal.releasedMemoryFile === undefined ? 0 : await folder.removeFile(journal.releasedMemoryFile);
  return memoryBytes + (await releaseLayers(folder, await folder.read(), journal.releasedLayers));
}
