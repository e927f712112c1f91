import { damagedField } from '../structure.ts';
import type { BlockAllocationTable } from './block-allocation-table.ts';
import { pageBytes, type MetadataPages, type Page } from './metadata-pages.ts';
import { sectorBitmapBlock } from './structures.ts';

/**
 * The part of a sector bitmap block that belongs to one payload block. It never crosses a page. Bit 0 of byte 0 is the
 * block's first sector ([MS-VHDX] 2.4); 1 means that the sector is in this file.
 */
export class BlockBitmap {
  readonly #page: Page;
  readonly #at: number;
  readonly #length: number;
  readonly #bits: Buffer;

  constructor(page: Page, at: number, length: number) {
    this.#page = page;
    this.#at = at;
    this.#length = length;
    this.#bits = page.bytes.subarray(at, at + length);
  }

  /** @returns whether a sector is in this file, and the first sector behind it, up to a limit, of which that is not so */
  run(sector: number, limit: number): { isPresent: boolean; end: number } {
    const isPresent = bit(this.#bits, sector);
    const uniform = isPresent ? 0xff : 0;
    let end = sector + 1;
    while (end < limit) {
      if (end % 8 === 0 && this.#bits[end >> 3] === uniform) {
        end += 8;
      } else if (bit(this.#bits, end) === isPresent) {
        end++;
      } else {
        break;
      }
    }
    return { isPresent, end: Math.min(end, limit) };
  }

  isPresent(sector: number): boolean {
    return bit(this.#bits, sector);
  }

  areAllPresent(from: number, to: number): boolean {
    const { isPresent, end } = this.run(from, to);
    return isPresent && end === to;
  }

  /** Sets or clears sectors, and marks the page. */
  set(pages: MetadataPages, from: number, to: number, isPresent: boolean): void {
    let sector = from;
    while (sector < to) {
      if (sector % 8 === 0 && to - sector >= 8) {
        const bytes = Math.floor((to - sector) / 8);
        this.#bits.fill(isPresent ? 0xff : 0, sector / 8, sector / 8 + bytes);
        sector += bytes * 8;
      } else {
        const mask = 1 << (sector % 8);
        const byte = this.#bits[sector >> 3] ?? 0;
        this.#bits[sector >> 3] = isPresent ? byte | mask : byte & ~mask;
        sector++;
      }
    }
    pages.markDirty(this.#page, this.#at + (from >> 3), ((to - 1) >> 3) - (from >> 3) + 1);
  }

  /** Clears the whole block's part. */
  clear(pages: MetadataPages): void {
    this.set(pages, 0, this.#length * 8, false);
  }
}

function bit(bits: Buffer, sector: number): boolean {
  return ((bits[sector >> 3] ?? 0) & (1 << (sector % 8))) !== 0;
}

/** The bitmaps of a differencing disk, by payload block. What is returned is to be used before the next await. */
export class SectorBitmaps {
  readonly #path: string;
  readonly #bat: BlockAllocationTable;
  readonly #pages: MetadataPages;

  constructor(path: string, bat: BlockAllocationTable, pages: MetadataPages) {
    this.#path = path;
    this.#bat = bat;
    this.#pages = pages;
  }

  /** A block's bitmap if all that leads there is in memory. */
  peek(block: number): BlockBitmap | undefined {
    const chunk = this.chunkOf(block);
    const batPage = this.#bat.peek(this.#bat.sectorBitmapIndex(chunk));
    if (batPage === undefined) {
      return undefined;
    }
    const fileOffset = this.#place(block, this.#bat.sectorBitmap(batPage, chunk));
    const page = this.#pages.peek(fileOffset);
    return page === undefined ? undefined : this.#of(page, fileOffset);
  }

  /** @throws ImageDamaged when the chunk has no sector bitmap block */
  async of(block: number): Promise<BlockBitmap> {
    const chunk = this.chunkOf(block);
    const index = this.#bat.sectorBitmapIndex(chunk);
    const batPage = this.#bat.peek(index) ?? (await this.#bat.load(index));
    const fileOffset = this.#place(block, this.#bat.sectorBitmap(batPage, chunk));
    const page = this.#pages.peek(fileOffset) ?? (await this.#pages.load(fileOffset, 'sector bitmap'));
    return this.#of(page, fileOffset);
  }

  chunkOf(block: number): number {
    return Math.floor(block / this.#bat.geometry.chunkRatio);
  }

  #place(block: number, { state, fileOffset }: { state: number; fileOffset: number }): number {
    if (state !== sectorBitmapBlock.present) {
      const problem = `the block ${block} is partially present, but its sector bitmap block is not there`;
      throw damagedField(this.#path, `BAT entry ${this.#bat.sectorBitmapIndex(this.chunkOf(block))}`, problem);
    }
    const { chunkRatio, sectorsPerBlock } = this.#bat.geometry;
    return fileOffset + ((block % chunkRatio) * sectorsPerBlock) / 8;
  }

  #of(page: Page, fileOffset: number): BlockBitmap {
    return new BlockBitmap(page, fileOffset % pageBytes, this.#bat.geometry.sectorsPerBlock / 8);
  }
}
