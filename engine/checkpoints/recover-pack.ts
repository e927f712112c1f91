import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';

/**
 * Ends the packing of a checkpoint's memory: it has happened once the checkpoint names the packed file; safe to repeat.
 * @returns bytes of the volume that this freed
 */
export async function endPacking(
  folder: MachineFolder,
  { checkpoints, trash }: MachineRecords,
  { checkpoint: id, memoryFile, releasedMemoryFile }: JournalRecord,
): Promise<number> {
  const whole = [...checkpoints, ...trash.map(({ checkpoint }) => checkpoint)];
  const isPacked = whole.some((one) => one.id === id && one.memory?.file === memoryFile);
  const unused = isPacked ? releasedMemoryFile : memoryFile;
  return unused === undefined ? 0 : folder.removeFile(folder.inner(unused));
}
