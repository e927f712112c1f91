import { CheckpointError } from '../../model/checkpoint-error.ts';
import { damagedField } from '../structure.ts';
import type { ImageFile, RetiredClusters } from './image-file.ts';
import { refcountWidth, type RefcountWidth } from './refcount-width.ts';

/** Host clusters that follow each other, each with a refcount of 1 from now on. */
export interface Allocation {
  /** In bytes. */
  offset: number;
  /** Clusters. */
  count: number;
  /** Bytes from the offset on that may hold what somebody wrote there before; behind them all is zero. */
  staleBytes: number;
}

/** As long as QEMU accepts it (section "Host cluster management", note). */
const longestTableBytes = 8 * 1024 * 1024;

/**
 * The refcounts of host clusters (section "Host cluster management"), and who gets the free ones. All calls that change
 * anything are made inside the image's mutex.
 */
export class Refcounts {
  readonly width: RefcountWidth;
  readonly #image: ImageFile;
  readonly #blockEntries: number;
  readonly #bits: number;
  /** All clusters below this index are in use. */
  #cursor = 0;

  constructor(image: ImageFile) {
    this.#image = image;
    this.#bits = image.geometry.refcountBits;
    this.#blockEntries = image.geometry.refcountBlockEntries;
    this.width = refcountWidth(this.#bits);
  }

  /** Number of refcount blocks that the table can name. */
  get tableEntries(): number {
    return (this.#image.header.refcountTableClusters * this.#image.geometry.clusterSize) / 8;
  }

  /**
   * Takes free clusters that follow each other.
   * @param most clusters; fewer are given where no more lie together, and at least one
   */
  async allocate(most: number): Promise<Allocation> {
    const { cache, geometry } = this.#image;
    const entriesPerPage = (cache.pageBytes * 8) / this.#bits;
    for (;;) {
      const first = this.#cursor;
      const block = (await this.blockOffset(first)) ?? (await this.#addBlock(first));
      if (this.#cursor !== first) {
        continue;
      }
      const at = block + this.#byteOf(first);
      let page;
      while ((page = cache.get(at)) === undefined) {
        await cache.load(at);
      }
      let index = (first % this.#blockEntries) % entriesPerPage;
      const pageStart = first - index;
      while (index < entriesPerPage && this.width.read(page.bytes, index) !== 0) {
        index++;
      }
      if (index === entriesPerPage) {
        this.#cursor = pageStart + entriesPerPage;
        continue;
      }
      let count = 0;
      while (count < most && index + count < entriesPerPage && this.width.read(page.bytes, index + count) === 0) {
        this.width.write(page.bytes, index + count, 1);
        count++;
      }
      this.#markDirty(page, index, count);
      this.#cursor = pageStart + index + count;
      return this.#allocation((pageStart + index) * geometry.clusterSize, count);
    }
  }

  /** Takes exactly so many clusters that follow each other. */
  async allocateTogether(count: number): Promise<Allocation> {
    const given: Allocation[] = [];
    for (;;) {
      const next = await this.allocate(count);
      const last = given.at(-1);
      if (last !== undefined && last.offset + last.count * this.#image.geometry.clusterSize === next.offset) {
        last.staleBytes += next.staleBytes;
        last.count += next.count;
      } else {
        given.push(next);
      }
      const best = given.at(-1);
      if (best !== undefined && best.count >= count) {
        given.pop();
        const surplus = best.count - count;
        const rest = given.map(({ offset, count: clusters }) => ({ offset, count: clusters, punch: false }));
        const end = best.offset + count * this.#image.geometry.clusterSize;
        await this.release(surplus > 0 ? [...rest, { offset: end, count: surplus, punch: false }] : rest);
        return { ...best, count };
      }
    }
  }

  /** Takes a reference from each cluster, and gives the space of those that are free now back where that is asked. */
  async release(ranges: readonly RetiredClusters[]): Promise<void> {
    const { cache, geometry, file } = this.#image;
    for (const { offset, count, punch } of ranges) {
      const first = offset / geometry.clusterSize;
      let freedFrom: number | undefined;
      for (let cluster = first; cluster <= first + count; cluster++) {
        const isFree = cluster < first + count && (await this.#decrement(cluster));
        if (isFree) {
          freedFrom ??= cluster;
          cache.drop(cluster * geometry.clusterSize, geometry.clusterSize);
        } else if (freedFrom !== undefined) {
          this.#cursor = Math.min(this.#cursor, freedFrom);
          if (punch) {
            await file.punchHole(freedFrom * geometry.clusterSize, (cluster - freedFrom) * geometry.clusterSize);
          }
          freedFrom = undefined;
        }
      }
    }
  }

  async refcount(cluster: number): Promise<number> {
    const block = await this.blockOffset(cluster);
    if (block === undefined) {
      return 0;
    }
    const { cache } = this.#image;
    const at = block + this.#byteOf(cluster);
    let page;
    while ((page = cache.get(at)) === undefined) {
      await cache.load(at);
    }
    return this.width.read(page.bytes, this.#indexInPage(cluster));
  }

  /** Sets a refcount, where its block is there. */
  async set(cluster: number, count: number): Promise<void> {
    const block = await this.blockOffset(cluster);
    if (block === undefined) {
      return;
    }
    const { cache } = this.#image;
    const at = block + this.#byteOf(cluster);
    let page;
    while ((page = cache.get(at)) === undefined) {
      await cache.load(at);
    }
    const index = this.#indexInPage(cluster);
    this.width.write(page.bytes, index, count);
    this.#markDirty(page, index, 1);
    if (count === 0) {
      this.#cursor = Math.min(this.#cursor, cluster);
    }
  }

  /** Where the refcount block of a cluster lies, in bytes; undefined when there is none, or no place for one in the table. */
  async blockOffset(cluster: number): Promise<number | undefined> {
    const index = Math.floor(cluster / this.#blockEntries);
    if (index >= this.tableEntries) {
      return undefined;
    }
    const { cache, header } = this.#image;
    const at = header.refcountTableOffset + index * 8;
    let page;
    while ((page = cache.get(at)) === undefined) {
      await cache.load(at);
    }
    const offset = readTableEntry(page.bytes, at - page.offset);
    if (offset === 0) {
      return undefined;
    }
    this.#image.requireCluster(offset, `refcount table entry ${index}`);
    return offset;
  }

  /** Forgets what it knew of free clusters: the tables were replaced. */
  reset(): void {
    this.#cursor = 0;
  }

  async #decrement(cluster: number): Promise<boolean> {
    const count = await this.refcount(cluster);
    if (count > 0) {
      await this.set(cluster, count - 1);
    }
    return count === 1;
  }

  /**
   * Makes the missing refcount block that is to hold a cluster's refcount: in that very cluster, which is free, since
   * without a block all of its clusters are. So the block counts itself.
   */
  async #addBlock(cluster: number): Promise<number> {
    const index = Math.floor(cluster / this.#blockEntries);
    if (index >= this.tableEntries) {
      await this.#growTable(index);
      // The cursor stands elsewhere now.
      return 0;
    }
    const { cache, header, geometry } = this.#image;
    const { offset, staleBytes } = this.#allocation(cluster * geometry.clusterSize, 1);
    if (staleBytes > 0) {
      await this.#image.write(Buffer.alloc(staleBytes), offset);
    }
    cache.putZeros(offset, geometry.clusterSize);
    const at = offset + this.#byteOf(cluster);
    let page;
    while ((page = cache.get(at)) === undefined) {
      await cache.load(at);
    }
    const inPage = this.#indexInPage(cluster);
    this.width.write(page.bytes, inPage, 1);
    this.#markDirty(page, inPage, 1);

    const entry = header.refcountTableOffset + index * 8;
    let table;
    while ((table = cache.get(entry)) === undefined) {
      await cache.load(entry);
    }
    writeTableEntry(table.bytes, entry - table.offset, offset);
    cache.markDirty(table, entry - table.offset, 8, 'refcountTable');
    this.#cursor = cluster + 1;
    return offset;
  }

  /**
   * Puts a longer refcount table, and the blocks that count it, where the old one's reach ends, and lets the header point
   * to it once it is on the disk.
   */
  async #growTable(index: number): Promise<void> {
    await this.#image.writeBack();
    const { clusterSize } = this.#image.geometry;
    const oldOffset = this.#image.header.refcountTableOffset;
    const oldClusters = this.#image.header.refcountTableClusters;
    const tableClusters = Math.ceil((Math.max(index + 2, Math.ceil(this.tableEntries * 1.5)) * 8) / clusterSize) + 1;
    if (tableClusters * clusterSize > Math.max(longestTableBytes, clusterSize)) {
      throw new CheckpointError(
        'UnsupportedDisk',
        `The disk ${this.#image.path} cannot get longer with clusters of ${clusterSize} bytes. Convert it to an image with larger clusters.`,
        { path: this.#image.path, field: 'refcount_table_clusters' },
      );
    }
    const firstIndex = this.tableEntries;
    const firstCluster = firstIndex * this.#blockEntries;
    let blocks = 1;
    while (blocks * this.#blockEntries < blocks + tableClusters) {
      blocks++;
    }
    const structure = Buffer.alloc((blocks + tableClusters) * clusterSize);
    for (let cluster = 0; cluster < blocks + tableClusters; cluster++) {
      const block = Math.floor(cluster / this.#blockEntries) * clusterSize;
      this.width.write(structure.subarray(block, block + clusterSize), cluster % this.#blockEntries, 1);
    }
    const table = structure.subarray(blocks * clusterSize);
    await this.#image.read(table.subarray(0, oldClusters * clusterSize), oldOffset);
    for (let block = 0; block < blocks; block++) {
      writeTableEntry(table, (firstIndex + block) * 8, (firstCluster + block) * clusterSize);
    }
    await this.#image.write(structure, firstCluster * clusterSize);
    await this.#image.sync();
    await this.useTable((firstCluster + blocks) * clusterSize, tableClusters);
    this.#image.retire(oldOffset, oldClusters, false);
    this.#cursor = firstCluster + blocks + tableClusters;
  }

  /** Lets the header point to another refcount table, which is on the disk already. */
  async useTable(offset: number, clusters: number): Promise<void> {
    const { header } = this.#image;
    await this.#image.writeHeader({ refcountTableOffset: BigInt(offset), refcountTableClusters: clusters });
    header.refcountTableOffset = offset;
    header.refcountTableClusters = clusters;
  }

  #allocation(offset: number, count: number): Allocation {
    const length = count * this.#image.geometry.clusterSize;
    this.#requireUnused(offset, length);
    const staleBytes = Math.min(length, Math.max(0, this.#image.sizeBytes - offset));
    this.#image.sizeBytes = Math.max(this.#image.sizeBytes, offset + length);
    return { offset, count, staleBytes };
  }

  /** A refcount of 0 on a table that is in use: the image is damaged, and a write would make that worse. */
  #requireUnused(offset: number, length: number): void {
    const { header, geometry, path } = this.#image;
    const tables: [field: string, offset: number, length: number][] = [
      ['header', 0, geometry.clusterSize],
      ['L1 table', header.l1TableOffset, header.l1Size * 8],
      ['refcount table', header.refcountTableOffset, header.refcountTableClusters * geometry.clusterSize],
    ];
    for (const [field, start, bytes] of tables) {
      if (start < offset + length && offset < start + bytes) {
        throw damagedField(path, 'refcount', `it is 0 for a cluster of the ${field}; repair the image first`);
      }
    }
  }

  #byteOf(cluster: number): number {
    return Math.floor(((cluster % this.#blockEntries) * this.#bits) / 8);
  }

  #indexInPage(cluster: number): number {
    return (cluster % this.#blockEntries) % ((this.#image.cache.pageBytes * 8) / this.#bits);
  }

  #markDirty(page: Parameters<ImageFile['cache']['markDirty']>[0], index: number, count: number): void {
    const from = Math.floor((index * this.#bits) / 8);
    const to = Math.ceil(((index + count) * this.#bits) / 8);
    this.#image.cache.markDirty(page, from, to - from, 'refcountBlock');
  }
}

/** Section "Refcount table entry": an offset in bytes, 0 for none. Beyond what a file can have it stays inexact. */
export function readTableEntry(table: Buffer, at: number): number {
  return table.readUInt32BE(at) * 2 ** 32 + table.readUInt32BE(at + 4);
}

export function writeTableEntry(table: Buffer, at: number, offset: number): void {
  table.writeUInt32BE(Math.floor(offset / 2 ** 32), at);
  table.writeUInt32BE(offset % 2 ** 32, at + 4);
}
