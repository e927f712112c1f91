import { lstat, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { copySparse } from '../disks/sparse-copy.ts';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import type { Call, EngineContext } from './engine-context.ts';
import type { OpenMachine } from './locked-machine.ts';
import { requireSpaceFor } from './space-check.ts';

/** A file to copy, by absolute paths. */
export interface FileCopy {
  from: string;
  to: string;
}

/** What is copied together. */
export interface CopyOfFiles {
  copies: readonly FileCopy[];
  /** Where they go. */
  folder: string;
  /** Begins the sentence when the volume has too little space, such as `Importing “lab”`. */
  what: string;
  /** The machine that they are of, whose checkpoints may be given up for it. */
  own?: Pick<OpenMachine, 'folder' | 'records'>;
}

/**
 * Copies files durably, sharing their blocks where the volume can; holes stay holes.
 * @returns bytes that the files take
 * @throws NotEnoughSpace before anything is copied; DiskNotFound; ParentNotAllowed for what is no regular file
 */
export async function copyFiles(
  context: EngineContext,
  { copies, folder, what, own }: CopyOfFiles,
  { signal, report }: Call,
): Promise<number> {
  const sizes = await Promise.all(copies.map(({ from }) => sizeOfRegularFile(from)));
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  await requireSpaceFor(context, what, [{ folder, bytes: totalBytes }], own);
  let doneBytes = 0;
  for (const [at, { from, to }] of copies.entries()) {
    signal?.throwIfAborted();
    report?.('Copying files', totalBytes === 0 ? 0 : doneBytes / totalBytes, { doneBytes, totalBytes });
    await mkdir(path.dirname(to), { recursive: true, mode: 0o700 });
    const before = doneBytes;
    await copySparse(from, to, signal, (copied) => {
      const done = Math.min(totalBytes, before + copied);
      report?.('Copying files', totalBytes === 0 ? 1 : done / totalBytes, { doneBytes: done, totalBytes });
    });
    doneBytes = before + (sizes[at] ?? 0);
  }
  signal?.throwIfAborted();
  return totalBytes;
}

/** Bytes that a file takes on its volume. @throws as {@link copyFiles} */
export async function sizeOfRegularFile(file: string): Promise<number> {
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
