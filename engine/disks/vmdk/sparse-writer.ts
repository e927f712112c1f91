import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import { damagedField } from '../structure.ts';
import { zeroBuffer } from '../zero-content.ts';
import type { SparseExtent } from './sparse-extent.ts';
import { entryBytes, sectorBytes } from './structures.ts';

/** A grain table entry has 32 bits. */
const lastSector = 2 ** 32;
/** Changed tables that are kept back until a flush; then some are stored. 2 MiB. */
const mostChanged = 1024;

/**
 * Fills a new monolithicSparse image. Grains are taken from the end of the file, in the order in which they are first
 * written; nothing points at them before their data is durable.
 */
export class SparseWriter {
  readonly #file: DiskFile;
  readonly #extent: SparseExtent;
  /** Where the next grain goes, in sectors. */
  #nextSector: number;
  #storing: Promise<void> = Promise.resolve();
  #isUnsynced = false;

  constructor(file: DiskFile, extent: SparseExtent) {
    this.#file = file;
    this.#extent = extent;
    this.#nextSector = extent.tables.geometry.overHeadBytes / sectorBytes;
    extent.isGrowing = true;
  }

  async write(buffer: Buffer, offset: number): Promise<void> {
    this.#isUnsynced = true;
    const writes: Promise<void>[] = [];
    try {
      for (let at = 0; at < buffer.length;) {
        const place = this.#place(offset + at, buffer.length - at);
        if (place === undefined) {
          await this.#extent.tables.load(offset + at);
          continue;
        }
        writes.push(this.#file.write(buffer.subarray(at, at + place.length), place.fileOffset));
        at += place.length;
      }
    } finally {
      await Promise.allSettled(writes);
    }
    await Promise.all(writes);
    if (this.#extent.tables.changed.size > mostChanged) {
      await this.#store();
    }
  }

  /** What was never written is zero already; the rest is overwritten. */
  async zero(offset: number, length: number): Promise<void> {
    const end = offset + length;
    for await (const extent of this.#extent.extents(offset, length, undefined)) {
      const extentEnd = Math.min(end, extent.offset + extent.length);
      for (let at = extent.offset; extent.state === 'data' && at < extentEnd; at += zeroBuffer.length) {
        await this.write(zeroBuffer.subarray(0, Math.min(zeroBuffer.length, extentEnd - at)), at);
      }
    }
  }

  async flush(): Promise<void> {
    if (!this.#isUnsynced) {
      await this.#storing;
      return;
    }
    this.#isUnsynced = false;
    try {
      await this.#store();
    } catch (error) {
      this.#isUnsynced = true;
      throw error;
    }
  }

  /**
   * Where the next bytes go: into grains that are there, or into new ones, as far as those lie in one piece. Nothing is
   * awaited here, so that no two writes take different grains for the same place.
   * @returns undefined when the table must be loaded first
   */
  #place(offset: number, limit: number): { fileOffset: number; length: number } | undefined {
    const { tables } = this.#extent;
    const index = Math.floor(offset / tables.tableSpan);
    const table = tables.peek(index);
    if (table === undefined) {
      return undefined;
    }
    if (!Buffer.isBuffer(table)) {
      throw damagedField(this.#file.path, `grain directory entry ${index}`, 'a new image has all its tables');
    }
    const { grainBytes } = tables.geometry;
    const grainSectors = grainBytes / sectorBytes;
    const within = offset % grainBytes;
    const first = Math.floor((offset - index * tables.tableSpan) / grainBytes);
    const most = Math.min(limit, (index + 1) * tables.tableSpan - offset);
    const count = Math.ceil((within + most) / grainBytes);
    let start = 0;
    let taken = 0;
    for (; taken < count; taken++) {
      const at = (first + taken) * entryBytes;
      const entry = table.readUInt32LE(at) || this.#newGrain(table, index, at, grainSectors);
      if (taken === 0) {
        start = entry;
      } else if (entry !== start + taken * grainSectors) {
        break;
      }
    }
    return {
      fileOffset: start * sectorBytes + within,
      length: Math.min(most, taken * grainBytes - within),
    };
  }

  #newGrain(table: Buffer, index: number, at: number, grainSectors: number): number {
    const sector = this.#nextSector;
    if (sector + grainSectors > lastSector) {
      throw new CheckpointError(
        'UnsupportedDisk',
        `The disk ${this.#file.path} holds more than 2 TiB, which a sparse VMDK cannot. Choose another format.`,
        { path: this.#file.path },
      );
    }
    this.#nextSector += grainSectors;
    this.#extent.tables.fileBytes = this.#nextSector * sectorBytes;
    table.writeUInt32LE(sector, at);
    this.#extent.tables.change(index, table);
    return sector;
  }

  /** Makes the data durable, then what points at it: the redundant tables, and the tables. */
  #store(): Promise<void> {
    const storing = this.#storing.then(() => this.#storeNow());
    this.#storing = storing.catch(() => undefined);
    return storing;
  }

  async #storeNow(): Promise<void> {
    const { tables } = this.#extent;
    const { geometry } = tables;
    // Copies: a table may change again while it is written, by grains that are not durable yet.
    const copies = [...tables.changed].map(([index, table]) => ({ index, table, copy: Buffer.from(table) }));
    const endBytes = this.#nextSector * sectorBytes;
    if ((await this.#file.size()) < endBytes) {
      await this.#file.truncate(endBytes);
    }
    await this.#file.sync();
    for (const directoryOffset of [geometry.rgdOffset, geometry.gdOffset]) {
      for (const { index, copy } of directoryOffset === undefined ? [] : copies) {
        const sector = await tables.directoryEntry(index, directoryOffset);
        await this.#file.write(copy, sector * sectorBytes);
      }
    }
    await this.#file.sync();
    for (const { index, table, copy } of copies) {
      if (table.equals(copy)) {
        tables.settle(index);
      }
    }
  }
}
