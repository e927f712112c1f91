import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import { damagedField } from '../structure.ts';
import { BlockAllocationTable, entryOf, unusedEntry } from './block-allocation-table.ts';
import { BoundedCache } from './bounded-cache.ts';
import { dynamicHeaderBytes, tableBytesOf, type BlockLayout, type DynamicHeader } from './dynamic-header.ts';
import { readExactly } from './exact-read.ts';
import { diskTypes, footerBytes, sectorBytes, type Footer, type Problem } from './footer.ts';
import type { SparseMetadata } from './metadata.ts';
import type { ParentLocator } from './parent-locator.ts';
import { SectorBitmap } from './sector-bitmap.ts';

/** The data of new blocks begins at multiples of this, where the 2 TiB that the BAT can reach allow it. */
const dataAlignment = 4096;
/** The BAT has sector numbers of 32 bits. */
const reachBytes = unusedEntry * sectorBytes;
/** Memory for sector bitmaps that were not changed. */
const cachedBitmapBytes = 1 << 20;
/** Bitmaps and pages that may wait for a flush; more bring one about. */
const mostBitmapsWaiting = 4096;
const mostBitmapBytesWaiting = 8 << 20;

/**
 * The file of a dynamic or differencing disk: its table, its bitmaps, and the order in which they are written.
 *
 * The format has no log, so that a crash is survived by order alone: data first, and for a new block its bitmap and the
 * new footer behind it; then, after a sync, what refers to them (bitmaps of old blocks, BAT entries); then a sync.
 */
export class SparseImage {
  readonly file: DiskFile;
  readonly table: BlockAllocationTable;
  readonly bitmaps: BoundedCache<SectorBitmap>;
  footer: Footer;
  header: DynamicHeader;
  headerOffset: number;
  layout: BlockLayout;
  locators: readonly ParentLocator[];
  diskBytes: number;
  /** Blocks whose bitmap in the file is not theirs yet; their BAT entry is not there either. By index: the file offset. */
  readonly #newBlocks = new Map<number, number>();
  /** What is wrong with the footer at the end, and with its copy at the start, until they are written anew. */
  endProblem: Problem | undefined;
  copyProblem: Problem | undefined;
  #footerOffset: number;
  /** Whether {@link #footerOffset} is known to lie behind every block. */
  #isEndKnown = false;
  #fileBytes: number;
  #isChanged = false;
  #commits: Promise<void> = Promise.resolve();
  #allocations: Promise<unknown> = Promise.resolve();

  constructor(file: DiskFile, metadata: SparseMetadata, fileBytes: number) {
    this.file = file;
    this.footer = metadata.footer;
    this.header = metadata.header;
    this.headerOffset = metadata.headerOffset;
    this.layout = metadata.layout;
    this.locators = metadata.locators;
    this.diskBytes = metadata.diskBytes;
    this.#footerOffset = metadata.footerOffset;
    this.endProblem = metadata.endProblem;
    this.copyProblem = metadata.copyProblem;
    this.#fileBytes = fileBytes;
    this.table = new BlockAllocationTable(file, metadata.layout);
    this.bitmaps = new BoundedCache(Math.max(4, cachedBitmapBytes / metadata.layout.bitmapBytes), (index) =>
      this.#loadBitmap(index),
    );
  }

  get isDifferencing(): boolean {
    return this.footer.values.diskType === diskTypes.differencing;
  }

  get sectorsPerBlock(): number {
    return this.layout.blockSize / sectorBytes;
  }

  /** Bytes of a block in the file: bitmap and data. */
  get storedBlockBytes(): number {
    return this.layout.bitmapBytes + this.layout.blockSize;
  }

  /** Number of blocks that the disk has. */
  get blockCount(): number {
    return Math.ceil(this.diskBytes / this.layout.blockSize);
  }

  get fileBytes(): number {
    return this.#fileBytes;
  }

  /** Where the footer at the end is, once {@link prepareEnd} has run: behind everything else. */
  get footerOffset(): number {
    return this.#footerOffset;
  }

  /**
   * Where a block's data begins in the file.
   * @param reach bytes from the data's start that are going to be used
   * @throws ImageDamaged when the entry leads out of the file or onto its other structures
   */
  dataOffset(index: number, entry: number, reach: number): number {
    this.requireInFile(index, entry, reach);
    const start = entry * sectorBytes;
    if (this.overlapsStructures(start)) {
      throw damagedField(this.file.path, `BAT entry ${index}`, `it leads to byte ${start}, where other structures are`);
    }
    return start + this.layout.bitmapBytes;
  }

  /** @throws ImageDamaged unless a block's bitmap and so many bytes of its data lie inside the file */
  requireInFile(index: number, entry: number, reach: number): void {
    const start = entry * sectorBytes;
    if (start + this.layout.bitmapBytes + reach > this.#fileBytes) {
      throw damagedField(this.file.path, `BAT entry ${index}`, `it leads to byte ${start}, beyond the end of the file`);
    }
  }

  /** Whether a block at an offset would lie on the footer's copy, the header or the BAT. */
  overlapsStructures(start: number): boolean {
    const end = start + this.storedBlockBytes;
    const { tableOffset, maxTableEntries } = this.layout;
    return (
      start < footerBytes ||
      (start < this.headerOffset + dynamicHeaderBytes && end > this.headerOffset) ||
      (start < tableOffset + maxTableEntries * 4 && end > tableOffset)
    );
  }

  /** Takes note that something in the file differs from what was last synced. */
  noteChange(): void {
    this.#isChanged = true;
  }

  /** Puts a new block behind all others; it holds zeros. @returns its entry, which the BAT has by now */
  async allocate(index: number): Promise<number> {
    const allocated = this.#allocations.then(() => this.#allocate(index));
    this.#allocations = allocated.catch(() => undefined);
    return allocated;
  }

  async #allocate(index: number): Promise<number> {
    const start = await this.reserveAtEnd();
    const sectors = this.sectorsPerBlock;
    this.bitmaps.change(index, this.isDifferencing ? SectorBitmap.empty(sectors) : SectorBitmap.full(sectors));
    this.#newBlocks.set(index, start);
    await this.table.set(index, entryOf(start));
    return entryOf(start);
  }

  /** Makes room for a block behind all others, with the footer behind it. @returns its offset */
  async reserveAtEnd(): Promise<number> {
    await this.prepareEnd();
    const start = this.nextBlockOffset(this.#footerOffset);
    if (start >= reachBytes) {
      throw new CheckpointError(
        'NotEnoughSpace',
        `The VHD ${this.file.path} is full: no VHD file grows beyond 2 TiB. Compact it.`,
        { path: this.file.path },
      );
    }
    // Before any data: so the file never ends with something that the guest wrote.
    await this.writeEndFooter(start + this.storedBlockBytes);
    return start;
  }

  /** The first place from an offset on for a new block. */
  nextBlockOffset(from: number): number {
    const { bitmapBytes, blockSize, maxTableEntries } = this.layout;
    const largest = maxTableEntries * (blockSize + bitmapBytes + dataAlignment) + from;
    const alignment = largest < reachBytes ? Math.min(dataAlignment, Math.max(blockSize, sectorBytes)) : sectorBytes;
    return Math.ceil((from + bitmapBytes) / alignment) * alignment - bitmapBytes;
  }

  /**
   * Finds the end of the last block, behind which there is room: neither footer nor length tell it for certain.
   * @throws ImageDamaged when an entry leads out of the file, where a new block could come to lie
   */
  async prepareEnd(): Promise<void> {
    if (this.#isEndKnown) {
      return;
    }
    let last = tableBytesOf(this.layout.maxTableEntries) + this.layout.tableOffset;
    for await (const run of this.table.scan()) {
      for (let at = 0; at < run.count; at++) {
        const entry = run.entry(at);
        if (entry !== unusedEntry) {
          const index = run.firstIndex + at;
          this.requireInFile(index, entry, this.usedBytesOf(index));
          last = Math.max(last, entry * sectorBytes + this.storedBlockBytes);
        }
      }
    }
    if (last > this.#footerOffset) {
      this.#footerOffset = Math.max(last, Math.ceil(this.#fileBytes / sectorBytes) * sectorBytes);
      this.endProblem ??= { field: 'footer', problem: 'the footer is not behind the last block' };
    }
    this.#isEndKnown = true;
  }

  /** Bytes of a block's data that are the disk's: fewer for the last one. */
  usedBytesOf(index: number): number {
    return Math.min(this.layout.blockSize, Math.max(0, this.diskBytes - index * this.layout.blockSize));
  }

  /** Where the first block begins in the file; Infinity without any. */
  async firstBlockOffset(): Promise<number> {
    let first = Infinity;
    for await (const run of this.table.scan()) {
      for (let at = 0; at < run.count; at++) {
        const entry = run.entry(at);
        first = entry === unusedEntry ? first : Math.min(first, entry * sectorBytes);
      }
    }
    return first;
  }

  /** Writes the footer to where the file is to end. */
  async writeEndFooter(offset: number, footer = this.footer): Promise<void> {
    this.#isChanged = true;
    await this.file.write(footer.bytes, offset);
    this.#footerOffset = offset;
    this.#fileBytes = Math.max(this.#fileBytes, offset + footerBytes);
    this.endProblem = undefined;
  }

  /** Makes the file end behind its footer, which must lie there, synced. */
  async cutBehindFooter(): Promise<void> {
    await this.file.truncate(this.#footerOffset + footerBytes);
    this.#fileBytes = this.#footerOffset + footerBytes;
  }

  /** A bitmap has changed, and what it tells of is written. */
  noteBitmap(index: number, bitmap: SectorBitmap): Promise<void> {
    this.#isChanged = true;
    this.bitmaps.change(index, bitmap);
    return this.limitWaiting();
  }

  /** Flushes when too much waits for it. */
  async limitWaiting(): Promise<void> {
    const waiting = this.bitmaps.changedCount;
    if (waiting > mostBitmapsWaiting || waiting * this.layout.bitmapBytes > mostBitmapBytesWaiting) {
      await this.commit();
    }
  }

  /** Makes everything durable that is written, in the order that a crash at any instant allows. */
  commit(): Promise<void> {
    const commit = this.#commits.then(() => this.#commit());
    this.#commits = commit.catch(() => undefined);
    return commit;
  }

  async #commit(): Promise<void> {
    if (!this.#isChanged) {
      return;
    }
    if (this.endProblem !== undefined) {
      await this.prepareEnd();
      await this.writeEndFooter(this.#footerOffset);
    }
    this.#isChanged = false;
    try {
      // From here to the first write nothing else runs: what is taken now is what has been written before.
      const table = this.table.changes();
      const bitmaps = this.bitmaps.changes().map((change) => ({
        ...change,
        bytes: change.value.toBytes(this.layout.bitmapBytes),
        newOffset: this.#newBlocks.get(change.key),
      }));
      for (const { bytes, newOffset } of bitmaps) {
        if (newOffset !== undefined) {
          await this.file.write(bytes, newOffset);
        }
      }
      await this.file.sync();
      if (bitmaps.length === 0 && table.pages.length === 0) {
        return;
      }
      for (const { key, bytes, newOffset } of bitmaps) {
        if (newOffset === undefined) {
          await this.file.write(bytes, (await this.table.entry(key)) * sectorBytes);
        }
      }
      await this.table.store(table);
      for (const change of bitmaps) {
        this.bitmaps.settle(change);
        if (change.newOffset !== undefined) {
          this.#newBlocks.delete(change.key);
        }
      }
      await this.file.sync();
    } catch (error) {
      this.#isChanged = true;
      throw error;
    }
  }

  async #loadBitmap(index: number): Promise<SectorBitmap> {
    const entry = await this.table.entry(index);
    const stored = Buffer.alloc(this.layout.bitmapBytes);
    await readExactly(this.file, stored, this.dataOffset(index, entry, 0) - stored.length, `BAT entry ${index}`);
    return SectorBitmap.from(stored, this.sectorsPerBlock);
  }
}
