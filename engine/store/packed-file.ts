import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { blockContentBytes, endOfBlocks, findBlocks, packBlock, unpackBlocks } from './blocked-gzip.ts';

/** Packed, and unpacked, at once. */
const blocksOfPiece = 16;
const pieceBytes = blocksOfPiece * blockContentBytes;
/** Pieces that are on their way: as many as keep all threads busy while the oldest is written, or waited for. */
const packedAhead = 2;
const unpackedAhead = 16;
const readBytes = 1024 * 1024;
/** What is left to the end would make others that write to the volume wait all at once. */
const syncEveryBytes = 32 * 1024 * 1024;

export interface PackOptions {
  /** The packed file is not to become longer. */
  mostBytes: number;
  signal?: AbortSignal;
  onBytes?: (doneBytes: number) => void;
}

/** Of what was packed. */
export interface Packed {
  /** Length of the packed file. */
  packedBytes: number;
  /** Of the content, in hexadecimal. */
  sha256: string;
}

/**
 * Packs a file that nobody writes to any more into a new one, durably; see `blocked-gzip.ts`.
 * @returns undefined when it would become longer than is allowed; the new file, as far as there is one, is of no use then
 */
export async function packFile(from: string, to: string, options: PackOptions): Promise<Packed | undefined> {
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'wx', 0o600);
    try {
      return await pack(source, target, options);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function pack(
  source: FileHandle,
  target: FileHandle,
  { mostBytes, signal, onBytes }: PackOptions,
): Promise<Packed | undefined> {
  const hash = createHash('sha256');
  const underWay: Promise<Buffer>[] = [];
  let [readBytesSoFar, written, unsynced] = [0, 0, 0];
  const write = async (piece: Buffer): Promise<void> => {
    await writeAll(target, piece, written);
    written += piece.length;
    unsynced += piece.length;
    if (unsynced >= syncEveryBytes) {
      await target.datasync();
      unsynced = 0;
    }
  };
  for (;;) {
    signal?.throwIfAborted();
    const content = await readPiece(source, readBytesSoFar);
    if (content.length > 0) {
      hash.update(content);
      readBytesSoFar += content.length;
      underWay.push(handled(packPiece(content)));
    }
    const next = underWay.length > packedAhead || content.length === 0 ? underWay.shift() : undefined;
    if (next !== undefined) {
      await write(await next);
      onBytes?.(readBytesSoFar);
    } else if (content.length === 0) {
      break;
    }
    if (written + endOfBlocks.length > mostBytes) {
      return undefined;
    }
  }
  await write(endOfBlocks);
  await target.sync();
  return { packedBytes: written, sha256: hash.digest('hex') };
}

async function packPiece(content: Buffer): Promise<Buffer> {
  const blocks: Promise<Buffer>[] = [];
  for (let at = 0; at < content.length; at += blockContentBytes) {
    blocks.push(packBlock(content.subarray(at, at + blockContentBytes)));
  }
  return Buffer.concat(await Promise.all(blocks));
}

async function readPiece(source: FileHandle, at: number): Promise<Buffer> {
  const piece = Buffer.allocUnsafe(pieceBytes);
  let length = 0;
  while (length < pieceBytes) {
    const { bytesRead } = await source.read(piece, length, pieceBytes - length, at + length);
    if (bytesRead === 0) {
      break;
    }
    length += bytesRead;
  }
  return piece.subarray(0, length);
}

async function writeAll(target: FileHandle, content: Buffer, at: number): Promise<void> {
  for (let done = 0; done < content.length;) {
    done += (await target.write(content, done, content.length - done, at + done)).bytesWritten;
  }
}

/** A packed file does not hold what it should. */
export class PackedFileDamaged extends Error {}

/**
 * The content of a packed file, in order and in pieces; unpacked on other threads, ahead of whoever reads.
 * @param contentBytes what it holds: no more than that is ever unpacked
 * @throws PackedFileDamaged for one that is cut short, holds another number of bytes or fails its checksums; the signal's reason
 */
export async function* unpackFile(
  file: string,
  contentBytes: number,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const source = await open(file, 'r');
  const underWay: Promise<Buffer>[] = [];
  let foundBytes = 0;
  try {
    for await (const { blocks, holds } of runsOf(source, file)) {
      signal?.throwIfAborted();
      foundBytes += holds;
      if (foundBytes > contentBytes) {
        throw damaged(file);
      }
      underWay.push(handled(unpackBlocks(blocks, holds)));
      const next = underWay.length > unpackedAhead ? underWay.shift() : undefined;
      if (next !== undefined) {
        yield await unlessDamaged(file, next);
      }
    }
    for (const next of underWay) {
      signal?.throwIfAborted();
      yield await unlessDamaged(file, next);
    }
    if (foundBytes !== contentBytes) {
      throw damaged(file);
    }
  } finally {
    await source.close();
  }
}

/** Blocks that are unpacked at once. */
async function* runsOf(source: FileHandle, file: string): AsyncGenerator<{ blocks: Buffer; holds: number }> {
  let [at, left] = [0, Buffer.alloc(0)];
  let last = left;
  for (;;) {
    const read = Buffer.allocUnsafe(readBytes);
    const { bytesRead } = await source.read(read, 0, readBytes, at);
    if (bytesRead === 0) {
      break;
    }
    at += bytesRead;
    left = left.length === 0 ? read.subarray(0, bytesRead) : Buffer.concat([left, read.subarray(0, bytesRead)]);
    for (;;) {
      const run = findBlocks(left, pieceBytes);
      if (run === undefined) {
        throw damaged(file);
      }
      if (run.bytes === 0) {
        break;
      }
      last = left.subarray(0, run.bytes);
      yield { blocks: last, holds: run.contentBytes };
      left = left.subarray(run.bytes);
    }
  }
  if (left.length > 0 || !last.subarray(-endOfBlocks.length).equals(endOfBlocks)) {
    throw damaged(file);
  }
}

/** Whoever awaits it in its turn is told. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

async function unlessDamaged(file: string, unpacking: Promise<Buffer>): Promise<Buffer> {
  try {
    return await unpacking;
  } catch (error) {
    throw damaged(file, error);
  }
}

function damaged(file: string, cause?: unknown): PackedFileDamaged {
  return new PackedFileDamaged(`The packed file ${file} is damaged.`, { cause });
}
