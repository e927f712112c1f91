import { systemCode } from '../model/checkpoint-error.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';

/**
 * Writes the journal and carries out what it says, each step of which is safe to repeat. A step that fails is tried once
 * more, on a full volume with the space that is kept in reserve for this; when it fails again, the journal stays, and the
 * next engine goes on from there.
 */
export async function carryOut<T>(
  folder: MachineFolder,
  journal: Omit<JournalRecord, 'version'>,
  steps: () => Promise<T>,
): Promise<T> {
  await twice(folder, () => folder.writeJournal(journal));
  const result = await twice(folder, steps);
  // Left where it is, it does no harm: what it says has been done is done again.
  await folder.clearJournal().catch(() => undefined);
  return result;
}

async function twice<T>(folder: MachineFolder, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')) {
      await folder.spendReserve();
    }
    return act();
  }
}
