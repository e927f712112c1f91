import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import { damagedField, writeStructure, type StructureValues } from '../structure.ts';
import { geometryOf, type Geometry } from './geometry.ts';
import { headerTable, headerTableV3, type Qcow2Header } from './header.ts';
import { allDone, Mutex } from './mutex.ts';
import { Operations } from './operations.ts';
import { PageCache, sharedBudget, type Page } from './page-cache.ts';

/** Host clusters to which nothing will point once what is in memory has been written. */
export interface RetiredClusters {
  /** In bytes. */
  offset: number;
  count: number;
  /** Whether their space is to be given back to the volume. */
  punch: boolean;
}

/** Tables that wait to be written, at most, before they are written without being asked. */
const mostDirtyBytes = 8 * 1024 * 1024;
const writesInFlight = 8;
/** Disks write this much whole or not at all, so a header changes as a whole. */
const sectorBytes = 512;

/**
 * The image's file with what is in memory of its tables, and the order in which they reach the disk: data and refcount
 * blocks, then the refcount table, then L2 and L1 tables, with a sync between. So a crash may leave clusters that
 * nothing uses, and never a reference to one that is not there or not counted.
 */
export class ImageFile {
  readonly file: DiskFile;
  readonly path: string;
  readonly header: Qcow2Header;
  readonly geometry: Geometry;
  readonly cache: PageCache;
  /** Where guest clusters lie: this file or the external data file. */
  readonly dataFile: DiskFile;
  /** Serialises all that changes tables. */
  readonly mutex = new Mutex();
  readonly operations = new Operations();
  /** Where the file ends once all that is allocated has been written, in bytes. What lies behind it was never written. */
  sizeBytes: number;

  #isUnsynced = false;
  #isDataUnsynced = false;
  /** L2 tables made since the last write-back: nothing on the disk points to them. By offset in bytes. */
  readonly #newTables = new Set<number>();
  #retired: RetiredClusters[] = [];
  #releasable: RetiredClusters[] = [];

  constructor(
    file: DiskFile,
    sizeBytes: number,
    header: Qcow2Header,
    dataFile: DiskFile | undefined,
    budget = sharedBudget,
  ) {
    this.file = file;
    this.path = file.path;
    this.sizeBytes = sizeBytes;
    this.header = header;
    this.geometry = geometryOf(header);
    this.cache = new PageCache(file, this.geometry.clusterSize, budget);
    this.dataFile = dataFile ?? file;
  }

  /** Offset of the cluster that a byte of the file lies in. */
  clusterStart(offset: number): number {
    return offset - (offset % this.geometry.clusterSize);
  }

  /** @throws ImageDamaged unless the offset is a cluster's, inside the file */
  requireCluster(offset: number, field: string): void {
    if (offset % this.geometry.clusterSize !== 0 || offset === 0) {
      throw damagedField(this.path, field, `it leads to byte ${offset}, where no cluster begins`);
    }
    if (offset >= this.sizeBytes) {
      throw damagedField(this.path, field, `it leads to byte ${offset}, behind the file's end at ${this.sizeBytes}`);
    }
  }

  /** Fills a buffer from this file; zeros beyond its end. */
  async read(buffer: Buffer, offset: number): Promise<void> {
    const length = await this.file.read(buffer, offset);
    if (length < buffer.length) {
      buffer.fill(0, length);
    }
  }

  /** Fills a buffer with guest clusters' content; zeros beyond the file's end. */
  async readData(buffer: Buffer, hostOffset: number): Promise<void> {
    const length = await this.dataFile.read(buffer, hostOffset);
    if (length < buffer.length) {
      buffer.fill(0, length);
    }
  }

  /** Writes tables that nothing on the disk points to yet. */
  async write(buffer: Buffer, offset: number): Promise<void> {
    this.sizeBytes = Math.max(this.sizeBytes, offset + buffer.length);
    this.#isUnsynced = true;
    await this.file.write(buffer, offset);
    this.#isUnsynced = true;
  }

  /** Writes guest clusters' content. */
  async writeData(buffer: Buffer, hostOffset: number): Promise<void> {
    if (!this.geometry.hasExternalDataFile) {
      await this.write(buffer, hostOffset);
      return;
    }
    await this.dataFile.write(buffer, hostOffset);
    this.#isDataUnsynced = true;
  }

  /** Notes an L2 table that only the L1 table in memory points to. */
  addTable(offset: number): void {
    this.#newTables.add(offset);
  }

  /** Clusters that lose a reference with the next write-back. */
  retire(offset: number, count: number, punch: boolean): void {
    const last = this.#retired.at(-1);
    if (last?.punch === punch && last.offset + last.count * this.geometry.clusterSize === offset) {
      last.count += count;
    } else {
      this.#retired.push({ offset, count, punch });
    }
  }

  /** Whether so much waits that a write-back is due. */
  get isPressed(): boolean {
    return this.cache.dirtyBytes > mostDirtyBytes || this.#retired.length > 65536;
  }

  /** References that are gone from the disk since last asked. Their refcounts may sink once no call uses them. */
  takeReleasable(): RetiredClusters[] {
    const taken = this.#releasable;
    this.#releasable = [];
    return taken;
  }

  get hasReleasable(): boolean {
    return this.#releasable.length > 0;
  }

  /** Writes what has changed, in order, and makes it durable. To be called inside {@link mutex}. */
  async writeBack(): Promise<void> {
    const pages = this.cache.dirtyPages();
    const isFirst = (page: Page): boolean =>
      page.kind === 'refcountBlock' || (page.kind === 'mapping' && this.#newTables.has(this.clusterStart(page.offset)));
    await this.#writePages(pages.filter(isFirst));
    await this.sync();
    await this.#writePages(pages.filter((page) => page.kind === 'refcountTable'));
    await this.sync();
    await this.#writePages(pages.filter((page) => page.kind === 'mapping' && !isFirst(page)));
    await this.sync();
    this.#newTables.clear();
    this.#releasable.push(...this.#retired.splice(0));
  }

  /** Writes refcounts that have sunk: nothing depends on when that happens. To be called inside {@link mutex}. */
  async writeRefcounts(): Promise<void> {
    await this.#writePages(this.cache.dirtyPages().filter((page) => page.kind === 'refcountBlock'));
  }

  async sync(): Promise<void> {
    if (this.#isDataUnsynced) {
      this.#isDataUnsynced = false;
      try {
        await this.dataFile.sync();
      } catch (error) {
        this.#isDataUnsynced = true;
        throw error;
      }
    }
    if (this.#isUnsynced) {
      this.#isUnsynced = false;
      try {
        await this.file.sync();
      } catch (error) {
        this.#isUnsynced = true;
        throw error;
      }
    }
  }

  /** Changes fields of the header, all at once and durably. */
  async writeHeader(
    values: Partial<StructureValues<typeof headerTable> & StructureValues<typeof headerTableV3>>,
  ): Promise<void> {
    const sector = Buffer.alloc(sectorBytes);
    await this.read(sector, 0);
    writeStructure(sector, headerTable, values);
    if (this.header.version === 3) {
      writeStructure(sector, headerTableV3, values);
    }
    await this.write(sector, 0);
    await this.sync();
  }

  /** Makes the file shorter; what is cut off holds nothing. */
  async truncate(sizeBytes: number): Promise<void> {
    await this.file.truncate(sizeBytes);
    this.sizeBytes = sizeBytes;
    this.#isUnsynced = true;
  }

  requireWritable(): void {
    if (this.file.isReadOnly) {
      throw new CheckpointError('PermissionDenied', `The disk ${this.path} is open for reading only.`, {
        path: this.path,
      });
    }
  }

  async #writePages(pages: readonly Page[]): Promise<void> {
    for (let from = 0; from < pages.length; from += writesInFlight) {
      await allDone(
        pages.slice(from, from + writesInFlight).map(async (page) => {
          await this.write(page.bytes.subarray(page.dirtyFrom, page.dirtyTo), page.offset + page.dirtyFrom);
          this.cache.markClean(page);
        }),
      );
    }
  }
}
