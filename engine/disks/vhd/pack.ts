import type { LongCall } from '../disk.ts';
import type { BlockList } from './block-list.ts';
import { moveBlock } from './move-block.ts';
import { cutFile } from './replace-metadata.ts';
import type { SparseImage } from './sparse-image.ts';
import { freeRanges, structuresEnd } from './used-space.ts';

/** Moves that may wait for one commit. */
const movesAtOnce = 1024;

/** Moves blocks from the end into free places before them, and cuts the file behind the last one. */
export async function packBlocks(image: SparseImage, blocks: BlockList, call: LongCall): Promise<void> {
  await image.prepareEnd();
  let last = blocks.count - 1;
  let moves = 0;
  let highest = 0;
  try {
    for (const place of freePlaces(image, blocks)) {
      const from = blocks.offsetAt(last);
      if (last < 0 || place >= from) {
        break;
      }
      await moveBlock(image, blocks.indexAt(last), from, place, call.signal);
      highest = Math.max(highest, place + image.storedBlockBytes);
      last--;
      moves++;
      if (moves % movesAtOnce === 0) {
        await image.commit();
      }
    }
  } finally {
    await image.commit();
  }
  const lastEnd = last < 0 ? 0 : blocks.offsetAt(last) + image.storedBlockBytes;
  const end = Math.max(highest, lastEnd, structuresEnd(image));
  if (end < image.footerOffset) {
    await cutFile(image, end);
  }
}

function* freePlaces(image: SparseImage, blocks: BlockList): Generator<number> {
  for (const range of freeRanges(image, blocks, image.footerOffset)) {
    let place = image.nextBlockOffset(range.from);
    while (place + image.storedBlockBytes <= range.to) {
      yield place;
      place = image.nextBlockOffset(place + image.storedBlockBytes);
    }
  }
}
