import { zeroBuffer } from '../zero-content.ts';
import { unusedEntry } from './block-allocation-table.ts';
import { fillZero } from './file-zero.ts';
import { sectorBytes } from './footer.ts';
import type { ParentContent } from './parent-content.ts';
import type { SectorBitmap } from './sector-bitmap.ts';
import type { SparseImage } from './sparse-image.ts';
import { Queues } from './turns.ts';

/** A part of one block, in bytes from the block's start. */
interface BlockRange {
  index: number;
  from: number;
  to: number;
}

interface PresentBlock {
  /** Where its data begins in the file, in bytes. */
  data: number;
  bitmap: SectorBitmap;
  /** Allocated just now: it holds zeros. */
  isNew: boolean;
}

/** Writes into dynamic and differencing disks. What changes a block's entry or bits goes one after another for each block. */
export class SparseWriter {
  readonly #image: SparseImage;
  readonly #below: ParentContent;
  readonly #blocks = new Queues();

  constructor(image: SparseImage, below: ParentContent) {
    this.#image = image;
    this.#below = below;
  }

  async write(buffer: Buffer, offset: number): Promise<void> {
    const { blockSize } = this.#image.layout;
    for (let done = 0; done < buffer.length;) {
      const range = blockRange(offset + done, offset + buffer.length, blockSize);
      const length = range.to - range.from;
      const piece = length === buffer.length ? buffer : buffer.subarray(done, done + length);
      const data = this.#placeOf(range);
      if (data !== undefined) {
        await this.#store(piece, data + range.from);
      } else if (this.#image.isDifferencing) {
        await this.#blocks.run(range.index, () => this.#writeSectors(range, piece));
      } else {
        // Its bitmaps say nothing of its content: only the allocation takes turns.
        const block = await this.#blocks.run(range.index, () => this.#blockFor(range));
        await this.#storeInDynamic(range, piece, block);
      }
      done += length;
    }
  }

  /** Makes a range zero. In a differencing disk zeros are stored, unless the parent says that it has zeros there itself. */
  async zero(offset: number, length: number): Promise<void> {
    const image = this.#image;
    const { blockSize } = image.layout;
    const end = offset + length;
    for (let at = offset; at < end;) {
      const range = blockRange(at, end, blockSize);
      const entry = image.table.peek(range.index) ?? (await image.table.entry(range.index));
      if (entry !== unusedEntry || image.isDifferencing) {
        await this.#blocks.run(range.index, () => this.#zeroInBlock(range));
      }
      at += range.to - range.from;
    }
  }

  /** Where the data of a block begins, when a range of it can simply be written over. */
  #placeOf({ index, from, to }: BlockRange): number | undefined {
    const entry = this.#image.table.peek(index);
    if (entry === undefined || entry === unusedEntry) {
      return undefined;
    }
    const bitmap = this.#image.bitmaps.peek(index);
    const isThere = bitmap?.hasAll(Math.floor(from / sectorBytes), Math.ceil(to / sectorBytes)) === true;
    return isThere && (this.#image.isDifferencing || bitmap.isFull)
      ? this.#image.dataOffset(index, entry, to)
      : undefined;
  }

  async #writeSectors(range: BlockRange, content: Buffer): Promise<void> {
    const { data, bitmap } = await this.#blockFor(range);
    if (!this.#image.isDifferencing) {
      await this.#store(content, data + range.from);
      await this.#keep(range.index, bitmap, 0, bitmap.sectors);
      return;
    }
    const { to } = range;
    let { from } = range;
    let middle = content;
    const firstSector = Math.floor(from / sectorBytes);
    const lastSector = Math.ceil(to / sectorBytes) - 1;
    // A sector is here or in the parent as a whole: the rest of one that is cut is fetched from there.
    if (from % sectorBytes !== 0 && !bitmap.has(firstSector)) {
      const length = Math.min(to, (firstSector + 1) * sectorBytes) - from;
      await this.#storeCut(range, data, firstSector, middle.subarray(0, length), from % sectorBytes);
      middle = middle.subarray(length);
      from += length;
    }
    if (middle.length > 0 && to % sectorBytes !== 0 && !bitmap.has(lastSector)) {
      const length = to - lastSector * sectorBytes;
      await this.#storeCut(range, data, lastSector, middle.subarray(middle.length - length), 0);
      middle = middle.subarray(0, middle.length - length);
    }
    if (middle.length > 0) {
      await this.#store(middle, data + from);
    }
    await this.#keep(range.index, bitmap, firstSector, lastSector + 1);
  }

  async #storeInDynamic(range: BlockRange, content: Buffer, { data, bitmap }: PresentBlock): Promise<void> {
    await this.#store(content, data + range.from);
    await this.#keep(range.index, bitmap, 0, bitmap.sectors);
  }

  async #storeCut(range: BlockRange, data: number, sector: number, content: Buffer, at: number): Promise<void> {
    const whole = Buffer.alloc(sectorBytes);
    await this.#below.read(whole, range.index * this.#image.layout.blockSize + sector * sectorBytes);
    content.copy(whole, at);
    await this.#store(whole, data + sector * sectorBytes);
  }

  async #zeroInBlock(range: BlockRange): Promise<void> {
    const image = this.#image;
    const { index, from, to } = range;
    const isUnused = (await image.table.entry(index)) === unusedEntry;
    if (isUnused) {
      const start = index * image.layout.blockSize;
      if (!image.isDifferencing || (await this.#below.isKnownZero(start + from, to - from))) {
        return;
      }
    }
    const firstWhole = Math.min(to, Math.ceil(from / sectorBytes) * sectorBytes);
    const endWhole = Math.max(firstWhole, Math.floor(to / sectorBytes) * sectorBytes);
    if (firstWhole > from) {
      await this.#writeSectors({ index, from, to: firstWhole }, zeroBuffer.subarray(0, firstWhole - from));
    }
    if (endWhole > firstWhole) {
      const { data, bitmap, isNew } = await this.#blockFor(range);
      // A new block is zero as it is.
      if (!isNew) {
        await fillZero(image.file, data + firstWhole, endWhole - firstWhole);
        image.noteChange();
      }
      if (image.isDifferencing) {
        await this.#keep(index, bitmap, firstWhole / sectorBytes, endWhole / sectorBytes);
      }
    }
    if (to > endWhole) {
      await this.#writeSectors({ index, from: endWhole, to }, zeroBuffer.subarray(0, to - endWhole));
    }
  }

  /** The block that a range lies in, allocated when it was not. */
  async #blockFor({ index, to }: BlockRange): Promise<PresentBlock> {
    const image = this.#image;
    const found = await image.table.entry(index);
    const isNew = found === unusedEntry;
    const entry = isNew ? await image.allocate(index) : found;
    return { data: image.dataOffset(index, entry, to), bitmap: await image.bitmaps.get(index), isNew };
  }

  async #store(content: Buffer, fileOffset: number): Promise<void> {
    try {
      await this.#image.file.write(content, fileOffset);
    } finally {
      // Afterwards: a flush that began in the middle of the write does not count for it.
      this.#image.noteChange();
    }
  }

  /** Only once the sectors are written: a bit in the file must never be ahead of its sector. */
  async #keep(index: number, bitmap: SectorBitmap, from: number, to: number): Promise<void> {
    if (bitmap.set(from, to)) {
      await this.#image.noteBitmap(index, bitmap);
    } else {
      await this.#image.limitWaiting();
    }
  }
}

function blockRange(at: number, end: number, blockSize: number): BlockRange {
  const index = Math.floor(at / blockSize);
  const start = index * blockSize;
  return { index, from: at - start, to: Math.min(end - start, blockSize) };
}
