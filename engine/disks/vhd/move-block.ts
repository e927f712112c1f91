import { entryOf } from './block-allocation-table.ts';
import { readExactly } from './exact-read.ts';
import type { SparseImage } from './sparse-image.ts';

const pieceBytes = 1 << 20;

/**
 * Copies a block, bitmap and data, to another place of the file, and changes its BAT entry in memory. The old place is
 * free only after the next commit: until then a crash leaves the entry that leads there.
 */
export async function moveBlock(
  image: SparseImage,
  index: number,
  from: number,
  to: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const piece = Buffer.allocUnsafe(Math.min(pieceBytes, image.storedBlockBytes));
  for (let done = 0; done < image.storedBlockBytes; done += piece.length) {
    signal?.throwIfAborted();
    const content = piece.subarray(0, Math.min(piece.length, image.storedBlockBytes - done));
    await readExactly(image.file, content, from + done, `BAT entry ${index}`);
    await image.file.write(content, to + done);
  }
  await image.table.set(index, entryOf(to));
  image.noteChange();
}

/** Copies a block to the end of the file, as {@link moveBlock} does. */
export async function moveBlockToEnd(
  image: SparseImage,
  index: number,
  from: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  await moveBlock(image, index, from, await image.reserveAtEnd(), signal);
}
