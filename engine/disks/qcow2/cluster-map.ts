import { damagedField } from '../structure.ts';
import type { ImageFile } from './image-file.ts';
import { entryHigh, entryLow, entryOffset, isCopiedEntry, scanRun, type Run } from './l2-table.ts';
import type { Page } from './page-cache.ts';
import type { Refcounts } from './refcounts.ts';

/** An L1 table: where it begins, in bytes, and its number of entries. */
export interface L1Table {
  l1TableOffset: number;
  l1Size: number;
}

/** An L2 table that may be changed, and where in the page that is in memory an entry lies. */
export interface L2Place {
  page: Page;
  /** Byte of the page. */
  at: number;
}

/** Guest offsets to host offsets, through the L1 table and L2 tables (section "Cluster mapping"). */
export class ClusterMap {
  readonly #image: ImageFile;
  /** The image's header for the active table, so that it follows when that grows. */
  readonly #l1: L1Table;

  constructor(image: ImageFile, l1: L1Table) {
    this.#image = image;
    this.#l1 = l1;
  }

  /** The run at an offset, from what is in memory; undefined when {@link find} must read first. */
  peek(offset: number, most: number): Run | undefined {
    const { cache, geometry, path } = this.#image;
    const index = Math.floor(offset / geometry.l2Coverage);
    const l1At = this.#l1.l1TableOffset + index * 8;
    const l1Page = cache.get(l1At);
    if (l1Page === undefined) {
      return undefined;
    }
    const entryAt = l1At - l1Page.offset;
    const high = l1Page.bytes.readUInt32BE(entryAt);
    const table = entryOffset(high, l1Page.bytes.readUInt32BE(entryAt + 4));
    if (table === 0) {
      return this.#unallocatedRun(l1Page, entryAt, index, offset, most);
    }
    this.#image.requireCluster(table, `L1 table entry ${index}`);
    const at = table + Math.floor((offset % geometry.l2Coverage) / geometry.clusterSize) * geometry.l2EntryBytes;
    const page = cache.get(at);
    if (page === undefined) {
      return undefined;
    }
    const run = scanRun(page.bytes, at - page.offset, offset % geometry.clusterSize, most, geometry, path);
    this.#requireInside(run);
    // Whoever shares the L2 table shares what it leads to.
    run.isCopied &&= isCopiedEntry(high);
    return run;
  }

  /** The run at an offset: at least one granule's rest, as long as the tables' page that holds it tells. */
  async find(offset: number, most: number): Promise<Run> {
    for (;;) {
      const run = this.peek(offset, most);
      if (run !== undefined) {
        return run;
      }
      const table = await this.#tableOffset(offset);
      if (table !== 0) {
        await this.#image.cache.load(table + this.#entryByte(offset));
      }
    }
  }

  /**
   * The entry of a guest cluster in an L2 table that nobody else uses, which is made where it is missing. To be called
   * inside the image's mutex, and the entry to be changed before anything is awaited.
   */
  async writablePlace(offset: number, refcounts: Refcounts): Promise<L2Place> {
    const { cache, geometry } = this.#image;
    const l1At = this.#l1.l1TableOffset + Math.floor(offset / geometry.l2Coverage) * 8;
    for (;;) {
      const l1Page = cache.get(l1At);
      if (l1Page === undefined) {
        await cache.load(l1At);
        continue;
      }
      const high = l1Page.bytes.readUInt32BE(l1At - l1Page.offset);
      const table = entryOffset(high, l1Page.bytes.readUInt32BE(l1At - l1Page.offset + 4));
      if (table === 0 || !isCopiedEntry(high)) {
        await this.#replaceTable(l1At, table, refcounts);
        continue;
      }
      this.#image.requireCluster(table, 'L1 table entry');
      const at = table + this.#entryByte(offset);
      const page = cache.get(at);
      if (page !== undefined) {
        return { page, at: at - page.offset };
      }
      await cache.load(at);
    }
  }

  /** Where the L2 table of a guest offset lies, in bytes; 0 when there is none. */
  async #tableOffset(offset: number): Promise<number> {
    const { cache, geometry } = this.#image;
    const index = Math.floor(offset / geometry.l2Coverage);
    const l1At = this.#l1.l1TableOffset + index * 8;
    let page;
    while ((page = cache.get(l1At)) === undefined) {
      await cache.load(l1At);
    }
    const at = l1At - page.offset;
    const table = entryOffset(page.bytes.readUInt32BE(at), page.bytes.readUInt32BE(at + 4));
    if (table !== 0) {
      this.#image.requireCluster(table, `L1 table entry ${index}`);
    }
    return table;
  }

  /** Gives the L1 entry a new L2 table: an empty one, or a copy of one that snapshots use too. */
  async #replaceTable(l1At: number, old: number, refcounts: Refcounts): Promise<void> {
    const { cache, geometry } = this.#image;
    const { offset, staleBytes } = await refcounts.allocate(1);
    try {
      if (old === 0) {
        if (staleBytes > 0) {
          await this.#image.write(Buffer.alloc(staleBytes), offset);
        }
        cache.putZeros(offset, geometry.clusterSize);
      } else {
        this.#image.requireCluster(old, 'L1 table entry');
        const copy = Buffer.alloc(geometry.clusterSize);
        await this.#image.read(copy, old);
        await this.#image.write(copy, offset);
        cache.drop(offset, geometry.clusterSize);
      }
    } catch (error) {
      await refcounts.release([{ offset, count: 1, punch: false }]);
      throw error;
    }
    this.#image.addTable(offset);
    let page;
    while ((page = cache.get(l1At)) === undefined) {
      await cache.load(l1At);
    }
    this.writeL1Entry(page, l1At - page.offset, offset);
    if (old === 0) {
      // Even an empty table is written once, or the file could end before it.
      const first = cache.get(offset);
      if (first !== undefined) {
        cache.markDirty(first, 0, geometry.l2EntryBytes, 'mapping');
      }
    } else {
      this.#image.retire(old, 1, false);
    }
  }

  writeL1Entry(page: Page, at: number, table: number): void {
    page.bytes.writeUInt32BE(entryHigh(table, table !== 0), at);
    page.bytes.writeUInt32BE(entryLow(table), at + 4);
    this.#image.cache.markDirty(page, at, 8, 'mapping');
  }

  #unallocatedRun(l1Page: Page, entryAt: number, index: number, offset: number, most: number): Run {
    const { l2Coverage } = this.#image.geometry;
    let length = l2Coverage - (offset % l2Coverage);
    let at = entryAt + 8;
    for (let next = index + 1; length < most && next < this.#l1.l1Size && at < l1Page.bytes.length; next++, at += 8) {
      if (entryOffset(l1Page.bytes.readUInt32BE(at), l1Page.bytes.readUInt32BE(at + 4)) !== 0) {
        break;
      }
      length += l2Coverage;
    }
    return { kind: 'parent', length, hostOffset: 0, compressedBytes: 0, isCopied: false };
  }

  #entryByte(offset: number): number {
    const { geometry } = this.#image;
    return Math.floor((offset % geometry.l2Coverage) / geometry.clusterSize) * geometry.l2EntryBytes;
  }

  #requireInside(run: Run): void {
    const { geometry, sizeBytes, path } = this.#image;
    if (run.kind === 'compressed' && run.hostOffset >= sizeBytes) {
      throw damagedField(path, 'L2 table entry', `it leads to byte ${run.hostOffset}, behind the file's end`);
    }
    if (run.kind === 'data' && !geometry.hasExternalDataFile) {
      const lastCluster = this.#image.clusterStart(run.hostOffset + run.length - 1);
      if (lastCluster >= sizeBytes || !Number.isSafeInteger(lastCluster)) {
        throw damagedField(path, 'L2 table entry', `it leads to byte ${lastCluster}, behind the file's end`);
      }
    }
  }
}
