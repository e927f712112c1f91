import { randomUUID } from 'node:crypto';
import { constants, copyFile, link } from 'node:fs/promises';
import path from 'node:path';
import { systemCode } from '../model/checkpoint-error.ts';
import type { SavedMemory } from '../model/saved-memory.ts';
import { syncFolder } from '../store/atomic-file.ts';
import type { MachineFolder } from '../store/machine-folder.ts';

/**
 * A name for a memory file that is to be made.
 * @param like what it is to hold, where that is saved already: a packed file is named as one
 */
export function newMemoryFile(like?: SavedMemory): string {
  return memoryFileOf(randomUUID(), like);
}

/** The memory file of a checkpoint. @param like as of {@link newMemoryFile} */
export function memoryFileOf(id: string, like?: SavedMemory): string {
  return `memory/${id}.state${like?.packedBytes === undefined ? '' : packedEnding}`;
}

/** What a packed file is named besides. */
export const packedEnding = '.gz';

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
