import { randomUUID } from 'node:crypto';
import { constants, copyFile, link } from 'node:fs/promises';
import path from 'node:path';
import { systemCode } from '../model/checkpoint-error.ts';
import type { SavedMemory } from '../model/saved-memory.ts';
import { syncFolder } from '../store/atomic-file.ts';
import type { MachineFolder } from '../store/machine-folder.ts';

/** A name for a memory file that is to be made. */
export function newMemoryFile(): string {
  return `memory/${randomUUID()}.state`;
}

/**
 * Gives saved memory to one more point. It is never written again, so that both may have the one file, by two names.
 * @param to its new name, relative to the machine's folder
 */
export async function shareMemory(folder: MachineFolder, memory: SavedMemory, to: string): Promise<void> {
  const [from, target] = [folder.inner(memory.file), folder.inner(to)];
  try {
    await link(from, target);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS'].includes(systemCode(error) ?? '')) {
      throw error;
    }
    await copyFile(from, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
  await syncFolder(path.dirname(target));
}
