import { damagedField } from '../structure.ts';
import { isZero } from '../zero-content.ts';
import type { FileRange } from './headers.ts';
import type { MetadataPages, Page } from './metadata-pages.ts';
import { pageBytes } from './metadata-pages.ts';
import type { Metadata } from './metadata-table.ts';
import {
  alignmentBytes,
  headerSectionBytes,
  payloadBlock,
  sectorBitmapBlock,
  sectorBitmapBlockBytes,
  sectorsPerChunk,
} from './structures.ts';
import type { SyncedFile } from './synced-file.ts';

export const batEntryBytes = 8;
/** A scan reads so much of an empty table at once. */
const lookAheadBytes = 1 << 20;

/** How many blocks and entries a disk has ([MS-VHDX] 2.4, 2.5). */
export interface Geometry {
  readonly virtualDiskSizeBytes: number;
  readonly blockSizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly sectorsPerBlock: number;
  /** Payload blocks in a chunk; after so many payload entries comes one for a sector bitmap block. */
  readonly chunkRatio: number;
  readonly payloadBlocks: number;
  readonly sectorBitmapBlocks: number;
  readonly entryCount: number;
}

/** @param disk sizes in bytes */
export function geometryOf(
  disk: Pick<Metadata, 'virtualDiskSizeBytes' | 'blockSizeBytes' | 'logicalSectorBytes' | 'hasParent'>,
): Geometry {
  const { virtualDiskSizeBytes, blockSizeBytes, logicalSectorBytes } = disk;
  const sectorsPerBlock = blockSizeBytes / logicalSectorBytes;
  const chunkRatio = sectorsPerChunk / sectorsPerBlock;
  const payloadBlocks = Math.ceil(virtualDiskSizeBytes / blockSizeBytes);
  const sectorBitmapBlocks = Math.ceil(payloadBlocks / chunkRatio);
  return {
    virtualDiskSizeBytes,
    blockSizeBytes,
    logicalSectorBytes,
    sectorsPerBlock,
    chunkRatio,
    payloadBlocks,
    sectorBitmapBlocks,
    entryCount: disk.hasParent
      ? sectorBitmapBlocks * (chunkRatio + 1)
      : payloadBlocks + Math.floor((payloadBlocks - 1) / chunkRatio),
  };
}

/** One entry. `fileOffset` is in bytes, and means something only for blocks that are present. */
export interface BatEntry {
  state: number;
  fileOffset: number;
}

/** The table of where each block lies, read through the page cache and changed there. */
export class BlockAllocationTable {
  readonly geometry: Geometry;
  readonly region: FileRange;
  readonly #file: SyncedFile;
  readonly #pages: MetadataPages;
  readonly #hasParent: boolean;
  /** Behind the last zeros that a scan has passed. */
  #zeroUntil = -1;
  /** Kept for the next look, unless one is under way. */
  #lookAhead: Buffer | undefined;
  /** Where no block can lie. */
  readonly #taken: readonly FileRange[];

  /** @throws ImageDamaged when the region is too short for the disk */
  constructor(
    file: SyncedFile,
    pages: MetadataPages,
    facts: { metadata: Metadata; region: FileRange; taken: readonly FileRange[] },
  ) {
    this.#file = file;
    this.#pages = pages;
    this.geometry = geometryOf(facts.metadata);
    this.region = facts.region;
    this.#hasParent = facts.metadata.hasParent;
    this.#taken = facts.taken.filter(({ length }) => length > 0);
    const needed = this.geometry.entryCount * batEntryBytes;
    if (needed > this.region.length) {
      throw damagedField(
        file.path,
        'Length of the BAT region',
        `it is ${this.region.length} bytes, and the disk needs ${needed}`,
      );
    }
  }

  payloadIndex(block: number): number {
    return block + Math.floor(block / this.geometry.chunkRatio);
  }

  sectorBitmapIndex(chunk: number): number {
    return chunk * (this.geometry.chunkRatio + 1) + this.geometry.chunkRatio;
  }

  /** The first payload block whose entry does not lie before an index. */
  blockFrom(index: number): number {
    return index - Math.floor(index / (this.geometry.chunkRatio + 1));
  }

  /** The first index behind the page that an index lies in. */
  nextPageIndex(index: number): number {
    const perPage = pageBytes / batEntryBytes;
    return (Math.floor(index / perPage) + 1) * perPage;
  }

  peek(index: number): Page | undefined {
    return this.#pages.peek(this.region.offset + index * batEntryBytes);
  }

  load(index: number): Promise<Page> {
    return this.#pages.load(this.region.offset + index * batEntryBytes, 'BAT');
  }

  /**
   * Where a scan has to go on: all entries from the given one up to there are zero. Looks far ahead only behind zeros, so
   * that a full table is read once.
   */
  async skipZeros(index: number): Promise<number> {
    const isBehindZeros = index === this.#zeroUntil || (index > 0 && this.peek(index - 1)?.isZero === true);
    if (!isBehindZeros || this.peek(index) !== undefined) {
      return index;
    }
    const end = await this.#endOfZeros(index);
    let next = index;
    // What has been changed in memory is there.
    while (next < this.geometry.entryCount && this.nextPageIndex(next) <= end && this.peek(next) === undefined) {
      next = this.nextPageIndex(next);
    }
    this.#zeroUntil = Math.min(next, this.geometry.entryCount);
    return this.#zeroUntil;
  }

  /** @returns the index behind entries that are zero in the file, as far as one look goes */
  async #endOfZeros(index: number): Promise<number> {
    const start = this.region.offset + index * batEntryBytes;
    const stored = await this.#file.nextData(start);
    if (stored === undefined || stored.offset >= start + pageBytes) {
      return stored === undefined ? Infinity : index + Math.floor((stored.offset - start) / batEntryBytes);
    }
    const ahead = this.#lookAhead ?? Buffer.allocUnsafeSlow(lookAheadBytes);
    this.#lookAhead = undefined;
    const length = Math.min(ahead.length, this.region.offset + this.region.length - start);
    const bytes = await this.#file.read(ahead.subarray(0, length), start);
    let at = 0;
    while (at < bytes && isZero(ahead, at, Math.min(at + pageBytes, bytes))) {
      at += pageBytes;
    }
    this.#lookAhead = ahead;
    return index + Math.min(at, bytes) / batEntryBytes;
  }

  /** An entry as it stands there, whatever it says. */
  raw(page: Page, index: number): BatEntry {
    const at = (index * batEntryBytes) % pageBytes;
    const low = page.bytes.readUInt32LE(at);
    const high = page.bytes.readUInt32LE(at + 4);
    return { state: low & 7, fileOffset: ((low >>> 20) + high * 4096) * alignmentBytes };
  }

  /** The entry of a payload block. @throws ImageDamaged when it cannot be believed */
  payload(page: Page, block: number): BatEntry {
    const index = this.payloadIndex(block);
    const entry = this.raw(page, index);
    const problem = this.payloadProblem(entry);
    if (problem !== undefined) {
      throw damagedField(this.#file.path, `BAT entry ${index}`, problem);
    }
    return entry;
  }

  /** The entry of a payload block, read if need be. @throws ImageDamaged */
  async payloadOf(block: number): Promise<BatEntry> {
    const index = this.payloadIndex(block);
    return this.payload(this.peek(index) ?? (await this.load(index)), block);
  }

  /** The entry of a sector bitmap block. @throws ImageDamaged */
  sectorBitmap(page: Page, chunk: number): BatEntry {
    const index = this.sectorBitmapIndex(chunk);
    const entry = this.raw(page, index);
    const problem = this.sectorBitmapProblem(entry);
    if (problem !== undefined) {
      throw damagedField(this.#file.path, `BAT entry ${index}`, problem);
    }
    return entry;
  }

  /** What is wrong with a payload block's entry; undefined when nothing is. */
  payloadProblem({ state, fileOffset }: BatEntry): string | undefined {
    switch (state) {
      case payloadBlock.notPresent:
      case payloadBlock.undefined:
      case payloadBlock.zero:
      case payloadBlock.unmapped:
        return undefined;
      case payloadBlock.partiallyPresent:
        return this.#hasParent
          ? this.#placeProblem(fileOffset, this.geometry.blockSizeBytes)
          : 'a disk without a parent has a partially present block';
      case payloadBlock.fullyPresent:
        return this.#placeProblem(fileOffset, this.geometry.blockSizeBytes);
      default:
        return `the state ${state} is reserved`;
    }
  }

  sectorBitmapProblem({ state, fileOffset }: BatEntry): string | undefined {
    switch (state) {
      case sectorBitmapBlock.notPresent:
        return undefined;
      case sectorBitmapBlock.present:
        return this.#placeProblem(fileOffset, sectorBitmapBlockBytes);
      default:
        return `a sector bitmap block has the state ${state}`;
    }
  }

  /** A block may end beyond the end of the file when nothing of the disk lies there; reads tell. */
  #placeProblem(fileOffset: number, length: number): string | undefined {
    if (fileOffset < headerSectionBytes || fileOffset >= this.#file.sizeBytes) {
      return `FileOffsetMB leads to byte ${fileOffset} of a file of ${this.#file.sizeBytes} bytes`;
    }
    const hit = this.#taken.find(
      (range) => fileOffset < range.offset + range.length && range.offset < fileOffset + length,
    );
    return hit === undefined ? undefined : `FileOffsetMB leads into the log or a region, at byte ${fileOffset}`;
  }

  setPayload(block: number, state: number, fileOffset: number): Promise<void> {
    return this.#set(this.payloadIndex(block), state, fileOffset);
  }

  setSectorBitmap(chunk: number, state: number, fileOffset: number): Promise<void> {
    return this.#set(this.sectorBitmapIndex(chunk), state, fileOffset);
  }

  async #set(index: number, state: number, fileOffset: number): Promise<void> {
    this.setIn(this.peek(index) ?? (await this.load(index)), index, state, fileOffset);
  }

  /** Sets an entry in its page, which has to be in memory. */
  setIn(page: Page, index: number, state: number, fileOffset: number): void {
    const at = (index * batEntryBytes) % pageBytes;
    const offsetMebibytes = fileOffset / alignmentBytes;
    page.bytes.writeUInt32LE((((offsetMebibytes % 4096) << 20) | state) >>> 0, at);
    page.bytes.writeUInt32LE(Math.floor(offsetMebibytes / 4096), at + 4);
    this.#pages.markDirty(page, at, batEntryBytes);
  }
}
