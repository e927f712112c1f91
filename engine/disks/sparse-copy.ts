import { constants, copyFile, open, type FileHandle } from 'node:fs/promises';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { seekData } from './seek-data.ts';

const pieceBytes = 2 * 2 ** 20;

/**
 * Copies a file durably: its blocks are shared where the volume can do that, and its holes stay holes everywhere else.
 * @throws NameInUse when there is a file of the new name
 */
export async function copySparse(
  from: string,
  to: string,
  signal?: AbortSignal,
  onBytes?: (copied: number) => void,
): Promise<void> {
  signal?.throwIfAborted();
  if (await shareBlocks(from, to)) {
    await sync(to);
    return;
  }
  const source = await open(from, 'r');
  try {
    const { size, mode } = await source.stat();
    const target = await open(to, 'wx', 0o600);
    try {
      await target.truncate(size);
      await copyRanges(source, target, size, signal, onBytes);
      await target.chmod(mode & 0o777);
      await target.sync();
    } finally {
      await target.close();
    }
  } catch (error) {
    throw taken(error, to);
  } finally {
    await source.close();
  }
}

/** @returns false where that is not to be had */
async function shareBlocks(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (['EEXIST', 'ENOSPC', 'EDQUOT', 'EIO', 'ENOENT', 'EACCES'].includes(systemCode(error) ?? '')) {
      throw taken(error, to);
    }
    return false;
  }
}

async function copyRanges(
  source: FileHandle,
  target: FileHandle,
  sizeBytes: number,
  signal: AbortSignal | undefined,
  onBytes: ((copied: number) => void) | undefined,
): Promise<void> {
  let copied = 0;
  const piece = Buffer.alloc(Math.min(pieceBytes, sizeBytes));
  let at = 0;
  while (at < sizeBytes) {
    const range = seekData === undefined ? { offset: at, length: sizeBytes - at } : seekData(source.fd, at, sizeBytes);
    if (range === undefined) {
      return;
    }
    const end = range.offset + range.length;
    for (at = range.offset; at < end;) {
      signal?.throwIfAborted();
      const { bytesRead } = await source.read(piece, 0, Math.min(piece.length, end - at), at);
      if (bytesRead === 0) {
        return;
      }
      await writeAll(target, piece.subarray(0, bytesRead), at);
      at += bytesRead;
      copied += bytesRead;
      onBytes?.(copied);
    }
  }
}

async function writeAll(target: FileHandle, content: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < content.length;) {
    done += (await target.write(content, done, content.length - done, offset + done)).bytesWritten;
  }
}

async function sync(file: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function taken(error: unknown, file: string): unknown {
  return systemCode(error) === 'EEXIST'
    ? new CheckpointError('NameInUse', `There is a file ${file} already. It is not overwritten.`, { path: file })
    : error;
}
