import { randomBytes } from 'node:crypto';
import { access, constants, link, lstat, open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { openDiskFile, type DiskFile } from './disk-file.ts';

/** @throws NameInUse when something lies there: nothing is ever overwritten */
export async function requireFree(file: string): Promise<void> {
  const found = await lstat(file).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') {
      return undefined;
    }
    throw error;
  });
  if (found !== undefined) {
    throw inUse(file);
  }
}

/** @throws DiskNotFound where a new file would have no folder; system errors where nothing may be written into it */
export async function requireFolder(file: string): Promise<void> {
  const folder = path.dirname(file);
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw systemCode(error) === 'ENOENT'
      ? new CheckpointError('DiskNotFound', `There is no folder ${folder}. Make it, or choose another one.`, {
          path: folder,
        })
      : error;
  }
}

/**
 * Makes a file that appears under its name only once it is whole.
 * @param write fills the file, which calls itself by its later name, and leaves it durable; the closing is done here
 * @throws NameInUse; after an error nothing is left behind
 */
export async function createWhole<T>(file: string, write: (partial: DiskFile) => Promise<T>): Promise<T> {
  await requireFree(file);
  const partial = path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(4).toString('hex')}.partial`);
  const opened = await openDiskFile(partial, 'create', file);
  try {
    let result: T;
    try {
      result = await write(opened);
    } finally {
      await opened.close();
    }
    await publish(partial, file);
    return result;
  } catch (error) {
    await unlink(partial).catch(() => undefined);
    throw error;
  }
}

/** Makes new and changed names in a folder durable, where the system knows such a thing. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') {
    return;
  }
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function publish(partial: string, file: string): Promise<void> {
  try {
    // Unlike a rename, a second name never takes another file's place.
    await link(partial, file);
    await unlink(partial);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') {
      throw inUse(file);
    }
    // FAT and some network shares have no second names.
    await requireFree(file);
    await rename(partial, file);
  }
  await syncFolder(path.dirname(file));
}

/** The error for a name that is taken. */
export function inUse(file: string): CheckpointError {
  return new CheckpointError(
    'NameInUse',
    `There is a file ${file} already. It is not overwritten: choose another name.`,
    {
      path: file,
    },
  );
}
