import type { Extent } from '../disk.ts';
import { unusedEntry } from './block-allocation-table.ts';
import { storedExtents } from './file-extents.ts';
import { sectorBytes } from './footer.ts';
import type { SparseImage } from './sparse-image.ts';

/** The extents of a range that lies inside the disk. What is not in the file is zero, or the parent's in a differencing disk. */
export async function* sparseExtents(
  image: SparseImage,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Extent> {
  const state = image.isDifferencing ? 'parent' : 'zero';
  let absentFrom = offset;
  for await (const stored of storedRanges(image, offset, offset + length, signal)) {
    if (stored.offset > absentFrom) {
      yield { offset: absentFrom, length: stored.offset - absentFrom, state };
    }
    yield* storedExtents(image.file, stored.offset, stored.length, stored.fileOffset);
    absentFrom = stored.offset + stored.length;
  }
  if (offset + length > absentFrom) {
    yield { offset: absentFrom, length: offset + length - absentFrom, state };
  }
}

interface StoredRange {
  offset: number;
  length: number;
  fileOffset: number;
}

/** The parts of a range that are in the file, each contiguous there. */
async function* storedRanges(
  image: SparseImage,
  from: number,
  to: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredRange> {
  const { blockSize } = image.layout;
  for (let at = from; at < to;) {
    const index = Math.floor(at / blockSize);
    const blockStart = index * blockSize;
    const pieceEnd = Math.min(to, blockStart + blockSize);
    let entry = image.table.peek(index);
    if (entry === undefined) {
      signal?.throwIfAborted();
      entry = await image.table.entry(index);
    }
    if (entry === unusedEntry) {
      at = pieceEnd;
      continue;
    }
    signal?.throwIfAborted();
    const data = image.dataOffset(index, entry, pieceEnd - blockStart);
    const bitmap = image.isDifferencing ? await image.bitmaps.get(index) : undefined;
    while (at < pieceEnd) {
      const sector = Math.floor((at - blockStart) / sectorBytes);
      const runEnd =
        bitmap === undefined
          ? pieceEnd
          : Math.min(pieceEnd, blockStart + bitmap.runEnd(sector, image.sectorsPerBlock) * sectorBytes);
      if (bitmap === undefined || bitmap.has(sector)) {
        yield { offset: at, length: runEnd - at, fileOffset: data + at - blockStart };
      }
      at = runEnd;
    }
  }
}
