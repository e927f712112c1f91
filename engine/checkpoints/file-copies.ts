import { constants, copyFile, lstat, mkdir, open, statfs } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { requireSpace } from '../model/require-space.ts';
import type { Call } from './engine-context.ts';

/** A file to copy, by absolute paths. */
export interface FileCopy {
  from: string;
  to: string;
}

/**
 * Copies files durably, sharing their blocks where the volume can.
 * @param what begins the sentence when the volume has too little space, such as `Importing “lab”`
 * @returns bytes that the files take
 * @throws NotEnoughSpace before anything is copied; DiskNotFound; ParentNotAllowed for what is no regular file
 */
export async function copyFiles(
  copies: readonly FileCopy[],
  folder: string,
  what: string,
  { signal, report }: Call,
): Promise<number> {
  const sizes = await Promise.all(copies.map(({ from }) => sizeOfRegularFile(from)));
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  const { bavail, bsize } = await statfs(folder);
  requireSpace(what, bavail * bsize, totalBytes, () => []);
  let doneBytes = 0;
  for (const [at, { from, to }] of copies.entries()) {
    signal?.throwIfAborted();
    report?.('Copying files', totalBytes === 0 ? 0 : doneBytes / totalBytes, { doneBytes, totalBytes });
    await mkdir(path.dirname(to), { recursive: true, mode: 0o700 });
    await copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await sync(to);
    doneBytes += sizes[at] ?? 0;
  }
  signal?.throwIfAborted();
  return totalBytes;
}

async function sizeOfRegularFile(file: string): Promise<number> {
  try {
    const found = await lstat(file);
    if (found.isFile()) {
      return found.blocks * 512;
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') {
      throw new CheckpointError('DiskNotFound', `The file ${file} is missing. Use a whole copy.`, { path: file });
    }
    throw error;
  }
  throw new CheckpointError('ParentNotAllowed', `${file} is no file of its own, so it is not copied.`, { path: file });
}

async function sync(file: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
