import { constants, copyFile, lstat, mkdir, open, statfs, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { seekData } from '../disks/seek-data.ts';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { requireSpace } from '../model/require-space.ts';
import type { Call } from './engine-context.ts';

const pieceBytes = 2 * 1024 * 1024;

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
    const before = doneBytes;
    await copyOne(from, to, signal, (copied) => {
      const done = Math.min(totalBytes, before + copied);
      report?.('Copying files', totalBytes === 0 ? 1 : done / totalBytes, { doneBytes: done, totalBytes });
    });
    doneBytes = before + (sizes[at] ?? 0);
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

/** Shares the blocks where the volume can; else copies what the file system stores, so that holes stay holes. */
async function copyOne(
  from: string,
  to: string,
  signal: AbortSignal | undefined,
  onBytes: (copied: number) => void,
): Promise<void> {
  const isShared = await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL).then(
    () => true,
    (error: unknown) => {
      if (['EEXIST', 'ENOSPC', 'EDQUOT', 'EIO', 'EACCES', 'EPERM'].includes(systemCode(error) ?? '')) {
        throw error;
      }
      return false;
    },
  );
  const target = await open(to, isShared ? 'r' : 'wx', 0o600);
  try {
    if (!isShared) {
      await copyContent(from, target, signal, onBytes);
    }
    await target.sync();
  } finally {
    await target.close();
  }
}

async function copyContent(
  from: string,
  target: FileHandle,
  signal: AbortSignal | undefined,
  onBytes: (copied: number) => void,
): Promise<void> {
  const source = await open(from, 'r');
  try {
    const { size } = await source.stat();
    const piece = Buffer.alloc(Math.min(pieceBytes, Math.max(1, size)));
    let copied = 0;
    for (let at = 0; at < size;) {
      const range = seekData === undefined ? { offset: at, length: size - at } : seekData(source.fd, at, size);
      if (range === undefined) {
        break;
      }
      for (at = range.offset; at < range.offset + range.length;) {
        signal?.throwIfAborted();
        const { bytesRead } = await source.read(piece, 0, Math.min(piece.length, range.offset + range.length - at), at);
        if (bytesRead === 0) {
          break;
        }
        for (let written = 0; written < bytesRead;) {
          written += (await target.write(piece, written, bytesRead - written, at + written)).bytesWritten;
        }
        at += bytesRead;
        copied += bytesRead;
        onBytes(copied);
      }
      at = Math.max(at, range.offset + range.length);
    }
    await target.truncate(size);
  } finally {
    await source.close();
  }
}
