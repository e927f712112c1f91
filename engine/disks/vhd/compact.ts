import type { LongCall } from '../disk.ts';
import { damagedField } from '../structure.ts';
import { isZero } from '../zero-content.ts';
import { unusedEntry } from './block-allocation-table.ts';
import { BlockList } from './block-list.ts';
import { isSound } from './check-sparse.ts';
import { packBlocks } from './pack.ts';
import type { SparseImage } from './sparse-image.ts';

const pieceBytes = 1 << 20;

/**
 * Drops blocks that hold nothing, moves those at the end of the file into the room, and cuts the file off. Nothing may be
 * waiting for a flush.
 * @returns bytes by which the file got shorter
 */
export async function compactSparse(image: SparseImage, call: LongCall): Promise<number> {
  const before = image.fileBytes;
  const all = await BlockList.of(image, call.signal);
  if (!isSound(image, all)) {
    throw damagedField(
      image.file.path,
      'BAT',
      'blocks lie on each other or outside the file; ckpt disk check tells more',
    );
  }
  await dropEmptyBlocks(image, all, call);
  await packBlocks(image, await BlockList.of(image, call.signal), call);
  return Math.max(0, before - image.fileBytes);
}

async function dropEmptyBlocks(image: SparseImage, blocks: BlockList, call: LongCall): Promise<void> {
  const piece = Buffer.allocUnsafe(Math.min(pieceBytes, image.layout.blockSize));
  try {
    for (let place = 0; place < blocks.count; place++) {
      call.signal?.throwIfAborted();
      const index = blocks.indexAt(place);
      if (await isEmpty(image, index, blocks.offsetAt(place), piece)) {
        image.bitmaps.forget(index);
        await image.table.set(index, unusedEntry);
        image.noteChange();
      }
      call.onProgress?.((place + 1) * image.layout.blockSize, blocks.count * image.layout.blockSize);
    }
  } finally {
    await image.commit();
  }
}

/** In a differencing disk a block of zeros is not empty: without it the parent would show. */
async function isEmpty(image: SparseImage, index: number, offset: number, piece: Buffer): Promise<boolean> {
  if (index >= image.blockCount) {
    return true;
  }
  if (image.isDifferencing) {
    return (await image.bitmaps.get(index)).isEmpty;
  }
  const data = offset + image.layout.bitmapBytes;
  const end = Math.min(data + image.layout.blockSize, image.fileBytes);
  for (let at = data; at < end; at += piece.length) {
    const content = piece.subarray(0, Math.min(piece.length, end - at));
    await image.file.read(content, at);
    if (!isZero(content)) {
      return false;
    }
  }
  return true;
}
