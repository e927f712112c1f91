import type { DiskFile } from '../disk-file.ts';
import { BoundedCache } from './bounded-cache.ts';
import { tableBytesOf, type BlockLayout } from './dynamic-header.ts';
import { readExactly } from './exact-read.ts';
import { sectorBytes } from './footer.ts';

/** VHD 1.0, "Block Allocation Table": an entry of a block that is not in the file. */
export const unusedEntry = 0xffffffff;

const pageBytes = 4096;
const entriesPerPage = pageBytes / 4;
/** 1 MiB: the entries of 512 GiB in blocks of 2 MiB. */
const cachedPages = 256;
const scanBytes = 1 << 18;

/** A run of the table, as {@link BlockAllocationTable.scan} gives it. */
export interface TableRun {
  firstIndex: number;
  count: number;
  entry(at: number): number;
}

/** Changed pages as they were at one moment. */
export interface TableChanges {
  pages: { key: number; version: number; offset: number; bytes: Buffer }[];
}

/** The table that says in which sector of the file each block begins. Kept in memory a page at a time. */
export class BlockAllocationTable {
  readonly #file: DiskFile;
  readonly #pages: BoundedCache<Buffer>;
  #tableOffset: number;
  #entryCount: number;

  constructor(file: DiskFile, { tableOffset, maxTableEntries }: BlockLayout) {
    this.#file = file;
    this.#tableOffset = tableOffset;
    this.#entryCount = maxTableEntries;
    this.#pages = new BoundedCache(cachedPages, (page) => this.#load(page));
  }

  get entryCount(): number {
    return this.#entryCount;
  }

  get changedPages(): number {
    return this.#pages.changedCount;
  }

  /** The entry when its page is in memory. */
  peek(index: number): number | undefined {
    return this.#pages.peek(Math.floor(index / entriesPerPage))?.readUInt32BE((index % entriesPerPage) * 4);
  }

  async entry(index: number): Promise<number> {
    const page = await this.#pages.get(Math.floor(index / entriesPerPage));
    return page.readUInt32BE((index % entriesPerPage) * 4);
  }

  /** Changes an entry in memory; {@link store} brings it into the file. */
  async set(index: number, entry: number): Promise<void> {
    const key = Math.floor(index / entriesPerPage);
    const page = await this.#pages.get(key);
    page.writeUInt32BE(entry, (index % entriesPerPage) * 4);
    this.#pages.change(key, page);
  }

  /** A copy of every changed page. */
  changes(): TableChanges {
    return {
      pages: this.#pages.changes().map(({ key, version, value }) => ({
        key,
        version,
        offset: this.#tableOffset + key * pageBytes,
        bytes: Buffer.from(value),
      })),
    };
  }

  /** Writes pages, neighbours in one go. */
  async store({ pages }: TableChanges): Promise<void> {
    const sorted = pages.toSorted((a, b) => a.offset - b.offset);
    for (let from = 0; from < sorted.length;) {
      let to = from + 1;
      while (to < sorted.length && sorted[to]?.key === (sorted[to - 1]?.key ?? 0) + 1) {
        to++;
      }
      const run = sorted.slice(from, to);
      await this.#file.write(Buffer.concat(run.map((page) => page.bytes)), run[0]?.offset ?? 0);
      from = to;
    }
    for (const page of pages) {
      this.#pages.settle(page);
    }
  }

  /** The whole table as it is now, with changes that are not stored yet, in long runs and past the cache. */
  async *scan(signal?: AbortSignal): AsyncGenerator<TableRun> {
    const buffer = Buffer.alloc(scanBytes);
    const perRun = scanBytes / 4;
    for (let firstIndex = 0; firstIndex < this.#entryCount; firstIndex += perRun) {
      signal?.throwIfAborted();
      const count = Math.min(perRun, this.#entryCount - firstIndex);
      await readExactly(this.#file, buffer.subarray(0, count * 4), this.#tableOffset + firstIndex * 4, 'Table Offset');
      for (const { key, value } of this.#pages.changes()) {
        const at = (key * entriesPerPage - firstIndex) * 4;
        if (at >= 0 && at < count * 4) {
          value.copy(buffer, at);
        }
      }
      yield { firstIndex, count, entry: (at) => buffer.readUInt32BE(at * 4) };
    }
  }

  /** Takes note that the table has moved or grown in the file. Nothing may be changed and not stored. */
  relocate({ tableOffset, maxTableEntries }: BlockLayout): void {
    this.#tableOffset = tableOffset;
    this.#entryCount = maxTableEntries;
    this.#pages.clear();
  }

  async #load(page: number): Promise<Buffer> {
    const from = page * pageBytes;
    const length = Math.min(pageBytes, tableBytesOf(this.#entryCount) - from);
    const bytes = Buffer.alloc(length);
    // Only the entries are known to lie inside the file; what fills the last sector up may not.
    const needed = Math.min(length, this.#entryCount * 4 - from);
    const found = await this.#file.read(bytes, this.#tableOffset + from);
    if (found < needed) {
      await readExactly(this.#file, bytes.subarray(0, needed), this.#tableOffset + from, 'Table Offset');
    }
    bytes.fill(0xff, found);
    return bytes;
  }
}

/** @returns the entry of a block that begins at an offset */
export function entryOf(offset: number): number {
  return offset / sectorBytes;
}
