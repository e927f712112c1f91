import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { fileBytesOf, type SavedMemory } from '../../model/saved-memory.ts';
import { PackedFileDamaged, unpackFile } from '../../store/packed-file.ts';
import { hashOf } from './memory-target.ts';
import type { MemorySource } from './qemu-process.ts';

/**
 * Gives saved memory to a QEMU, which gets what is packed in a file while it is unpacked, and sees meanwhile that it is what was saved.
 * @param file absolute path
 * @param load starts a QEMU whose guest stands still, and waits until it has loaded its memory
 * @throws MemoryNotCompatible for what is not what was saved, whatever QEMU made of it; what `load` throws. The QEMU, if there
 *   is one, is to be ended then.
 */
export async function loadVerified(
  file: string,
  memory: SavedMemory,
  load: (source: MemorySource) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const expected = fileBytesOf(memory);
  const found = await stat(file).catch(() => undefined);
  if (found?.size !== expected) {
    throw new CheckpointError(
      'MemoryNotCompatible',
      `The memory file ${file} is not whole: ${expected} bytes were saved, ${found?.size ?? 0} are there. Apply the checkpoint's disks only (--disks-only).`,
      { path: file, expected, found: found?.size },
    );
  }
  const [hash, loaded] = await Promise.allSettled(
    memory.packedBytes === undefined
      ? [hashWhereKnown(file, memory), load({ file })]
      : unpackInto(file, memory, load, signal),
  );
  if (hash.status === 'fulfilled' && memory.sha256 !== undefined && hash.value !== memory.sha256) {
    throw changed(file, { expected: memory.sha256, found: hash.value });
  }
  if (hash.status === 'rejected' && hash.reason instanceof PackedFileDamaged) {
    throw changed(file, {}, hash.reason);
  }
  for (const result of [loaded, hash]) {
    if (result.status === 'rejected') {
      throw result.reason;
    }
  }
}

async function hashWhereKnown(file: string, { sha256 }: SavedMemory): Promise<string | undefined> {
  return sha256 === undefined ? undefined : hashOf(file);
}

function changed(file: string, facts: object, cause?: Error): CheckpointError {
  return new CheckpointError(
    'MemoryNotCompatible',
    `The memory file ${file} has changed since it was saved. Apply the checkpoint's disks only (--disks-only).`,
    { path: file, ...facts },
    { cause },
  );
}

function unpackInto(
  file: string,
  memory: SavedMemory,
  load: (source: MemorySource) => Promise<void>,
  signal: AbortSignal | undefined,
): [Promise<string>, Promise<void>] {
  let give: (stream: Writable | undefined) => void = () => undefined;
  const stream = new Promise<Writable | undefined>((resolve) => {
    give = resolve;
  });
  const loaded = load({ writeTo: give }).finally(() => give(undefined));
  return [feed(file, memory, stream, signal), loaded];
}

/**
 * Unpacks a file into a stream, the first of it before there is one. What comes out is looked at to its end even when nobody
 * takes it any more: then it tells whether that is the file's fault.
 * @returns SHA-256 of what was packed
 */
async function feed(
  file: string,
  { sizeBytes }: SavedMemory,
  stream: Promise<Writable | undefined>,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash('sha256');
  let to: Writable | undefined;
  try {
    for await (const piece of unpackFile(file, sizeBytes, signal)) {
      if (to === undefined) {
        to = await stream;
        // A QEMU that has ended is its starter's to tell.
        to?.on('error', () => undefined);
      }
      const written = to?.writable === true ? write(to, piece) : undefined;
      hash.update(piece);
      await written;
    }
    if (to?.writable === true) {
      await new Promise<void>((resolve) => to?.end(resolve));
    }
    return hash.digest('hex');
  } finally {
    (to ?? (await stream))?.destroy();
  }
}

/** Resolves when there is room for more, or nobody who takes it. */
function write(to: Writable, piece: Buffer): Promise<void> {
  return new Promise((resolve) => {
    to.write(piece, () => resolve());
  });
}
