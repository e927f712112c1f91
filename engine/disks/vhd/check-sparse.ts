import type { Fault, LongCall } from '../disk.ts';
import { unusedEntry } from './block-allocation-table.ts';
import { BlockList } from './block-list.ts';
import { packBlocks } from './pack.ts';
import type { Problem } from './footer.ts';
import { moveBlockToEnd } from './move-block.ts';
import { mendFooters } from './replace-metadata.ts';
import type { SparseImage } from './sparse-image.ts';
import { freeRanges } from './used-space.ts';

/** More faults than this are only counted: a hostile table has millions. */
const mostFaults = 1000;

/** Less than this before the last footer is there for alignment only. */
const largestPadding = 8192;

/** Finds what is wrong with a dynamic or differencing disk, and mends it when asked to. Nothing may be waiting for a flush. */
export async function checkSparse(
  image: SparseImage,
  locatorProblems: readonly Problem[],
  { repair, signal, onProgress }: LongCall & { repair: boolean },
): Promise<Fault[]> {
  const faults = new FaultList(repair);
  for (const { field, problem } of locatorProblems) {
    faults.add('error', field, `${problem}. Name the parent again: ckpt disk rebase FILE --parent FILE.`, false);
  }
  const footerProblems = [image.endProblem, image.copyProblem].filter((problem) => problem !== undefined);
  footerProblems.forEach(({ field, problem }) => faults.add('error', field, `${problem}.`, true));

  const blocks = await BlockList.of(image, signal);
  const wrong = wrongEntries(image, blocks);
  for (const { index, kind, offset } of wrong.list) {
    faults.add(kind === 'surplus' ? 'leak' : 'error', `BAT entry ${index}`, wrongEntryText[kind](offset), true);
  }
  faults.addUnnamed(wrong.count - wrong.list.length, 'BAT');
  onProgress?.(1, 2);

  if (repair) {
    await mendEntries(image, blocks, signal);
    await mendFooters(image);
  }
  // Where the space goes can be told only when no block lies on another.
  const canTell = wrong.count === 0 || repair;
  if (canTell) {
    const sound = wrong.count === 0 ? blocks : await BlockList.of(image, signal);
    const lost = await lostBytes(image, sound);
    if (lost > 0) {
      faults.add('leak', 'BAT', `${lost} bytes of the file belong to no block.`, true);
      if (repair) {
        await packBlocks(image, sound, { ...(signal === undefined ? {} : { signal }) });
      }
    }
  }
  onProgress?.(2, 2);
  return faults.list;
}

/** @returns whether the blocks can be moved without harm to another */
export function isSound(image: SparseImage, blocks: BlockList): boolean {
  for (const { kind } of eachWrongEntry(image, blocks)) {
    if (kind !== 'surplus') {
      return false;
    }
  }
  return true;
}

type WrongKind = 'outside' | 'structure' | 'overlap' | 'surplus';

const wrongEntryText: Record<WrongKind, (offset: number) => string> = {
  outside: (offset) => `The block should begin at byte ${offset}, beyond the end of the file; its content is lost.`,
  structure: (offset) => `The block should begin at byte ${offset}, where other structures are; its content is lost.`,
  overlap: (offset) => `The block at byte ${offset} lies on another one; the content of one of them is wrong.`,
  surplus: (offset) => `The block at byte ${offset} lies behind the end of the disk.`,
};

interface WrongEntry {
  index: number;
  offset: number;
  kind: WrongKind;
}

function* eachWrongEntry(image: SparseImage, blocks: BlockList): Generator<WrongEntry> {
  let end = 0;
  for (let place = 0; place < blocks.count; place++) {
    const index = blocks.indexAt(place);
    const offset = blocks.offsetAt(place);
    const needed = image.layout.bitmapBytes + image.usedBytesOf(index);
    if (index >= image.blockCount) {
      yield { index, offset, kind: 'surplus' };
    } else if (offset + needed > image.fileBytes) {
      yield { index, offset, kind: 'outside' };
    } else if (image.overlapsStructures(offset)) {
      yield { index, offset, kind: 'structure' };
    } else {
      if (offset < end) {
        yield { index, offset, kind: 'overlap' };
      }
      end = Math.max(end, offset + image.storedBlockBytes);
    }
  }
}

function wrongEntries(image: SparseImage, blocks: BlockList): { count: number; list: WrongEntry[] } {
  const list: WrongEntry[] = [];
  let count = 0;
  for (const wrong of eachWrongEntry(image, blocks)) {
    count++;
    if (list.length < mostFaults) {
      list.push(wrong);
    }
  }
  return { count, list };
}

/** Entries that lead nowhere become unused; then of blocks that lie on each other all but one get a place of their own. */
async function mendEntries(image: SparseImage, blocks: BlockList, signal: AbortSignal | undefined): Promise<void> {
  for (const { index, kind } of eachWrongEntry(image, blocks)) {
    if (kind !== 'overlap') {
      signal?.throwIfAborted();
      image.bitmaps.forget(index);
      await image.table.set(index, unusedEntry);
      image.noteChange();
    }
  }
  await image.commit();
  for (const { index, kind, offset } of eachWrongEntry(image, blocks)) {
    if (kind === 'overlap') {
      await moveBlockToEnd(image, index, offset, signal);
    }
  }
  await image.commit();
}

/** Bytes of free ranges in which a block would have room, and of what follows the last block. */
async function lostBytes(image: SparseImage, blocks: BlockList): Promise<number> {
  await image.prepareEnd();
  let lost = 0;
  for (const { from, to } of freeRanges(image, blocks, image.footerOffset)) {
    const isLast = to === image.footerOffset;
    const room = isLast ? largestPadding : image.nextBlockOffset(from) + image.storedBlockBytes - from;
    lost += to - from >= room ? to - from : 0;
  }
  return lost;
}

class FaultList {
  readonly list: Fault[] = [];
  readonly #repair: boolean;

  constructor(repair: boolean) {
    this.#repair = repair;
  }

  add(severity: Fault['severity'], field: string, message: string, canRepair: boolean): void {
    this.list.push({ severity, field, message, isRepaired: canRepair && this.#repair });
  }

  addUnnamed(count: number, field: string): void {
    if (count > 0) {
      this.add('error', field, `There are ${count} more entries like these.`, true);
    }
  }
}
