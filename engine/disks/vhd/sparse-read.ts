import { unusedEntry } from './block-allocation-table.ts';
import { readExactly } from './exact-read.ts';
import { sectorBytes } from './footer.ts';
import type { ParentContent } from './parent-content.ts';
import type { SparseImage } from './sparse-image.ts';

/**
 * Reads a range that lies inside the disk. A dynamic disk's bitmaps say nothing about its content: Windows and QEMU read
 * what is in the block whatever they say. In a differencing disk each sector comes from where its bit says.
 */
export async function readSparse(
  image: SparseImage,
  below: ParentContent,
  buffer: Buffer,
  offset: number,
): Promise<void> {
  const { blockSize } = image.layout;
  const end = offset + buffer.length;
  /** Start of the range, up to `at`, that comes from below: joined over blocks, so that it is one read. */
  let belowFrom = offset;
  let at = offset;

  const readBelow = async (to: number): Promise<void> => {
    if (to > belowFrom) {
      await below.read(buffer.subarray(belowFrom - offset, to - offset), belowFrom);
    }
  };

  while (at < end) {
    const index = Math.floor(at / blockSize);
    const blockStart = index * blockSize;
    const pieceEnd = Math.min(end, blockStart + blockSize);
    const entry = image.table.peek(index) ?? (await image.table.entry(index));
    if (entry === unusedEntry) {
      at = pieceEnd;
      continue;
    }
    const data = image.dataOffset(index, entry, pieceEnd - blockStart);
    const bitmap = image.isDifferencing ? (image.bitmaps.peek(index) ?? (await image.bitmaps.get(index))) : undefined;
    while (at < pieceEnd) {
      const sector = Math.floor((at - blockStart) / sectorBytes);
      const runEnd =
        bitmap === undefined
          ? pieceEnd
          : Math.min(pieceEnd, blockStart + bitmap.runEnd(sector, image.sectorsPerBlock) * sectorBytes);
      if (bitmap === undefined || bitmap.has(sector)) {
        await readBelow(at);
        const isAll = at === offset && runEnd === end;
        const piece = isAll ? buffer : buffer.subarray(at - offset, runEnd - offset);
        await readExactly(image.file, piece, data + at - blockStart, `BAT entry ${index}`);
        belowFrom = runEnd;
      }
      at = runEnd;
    }
  }
  await readBelow(end);
}
