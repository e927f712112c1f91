import type { DiskFile } from '../disk-file.ts';
import type { Extent, Fault, LongCall } from '../disk.ts';
import { damagedField } from '../structure.ts';
import { checkTables } from './check-tables.ts';
import { CompressedGrains } from './compressed-grains.ts';
import { GrainTables, type GrainRun } from './grain-tables.ts';
import type { SparseGeometry } from './sparse-header.ts';
import type { ReadBelow, VmdkExtent } from './vmdk-extent.ts';

/** Reads under way at once for one call, where grains lie scattered. */
const readsAtOnce = 16;

/** "Hosted Sparse Extents", compressed or not, and "ESX Server Sparse Extents". */
export class SparseExtent implements VmdkExtent {
  readonly lengthBytes: number;
  readonly tables: GrainTables;
  /** True while grains may be allocated that the file does not reach yet; what is missing there is zero. */
  isGrowing = false;
  readonly #file: DiskFile;
  readonly #grains: CompressedGrains | undefined;

  constructor(file: DiskFile, geometry: SparseGeometry, lengthBytes: number, fileBytes: number) {
    this.#file = file;
    this.lengthBytes = lengthBytes;
    this.tables = new GrainTables(file, geometry, fileBytes);
    this.#grains = geometry.isCompressed ? new CompressedGrains(file, geometry, fileBytes) : undefined;
  }

  async read(buffer: Buffer, offset: number, readBelow: ReadBelow): Promise<void> {
    const run = this.tables.run(offset, buffer.length);
    if (run?.length === buffer.length) {
      return this.#readRun(run, buffer, offset, readBelow);
    }
    const reads: Promise<void>[] = [];
    try {
      for (let at = 0; at < buffer.length;) {
        const part = await this.#runAt(offset + at, buffer.length - at);
        reads.push(this.#readRun(part, buffer.subarray(at, at + part.length), offset + at, readBelow));
        at += part.length;
        if (reads.length === readsAtOnce) {
          await allOf(reads.splice(0));
        }
      }
    } catch (error) {
      // Nothing of the call may be at work when its error is seen.
      await Promise.allSettled(reads);
      throw error;
    }
    await allOf(reads);
  }

  async *extents(offset: number, length: number, signal: AbortSignal | undefined): AsyncGenerator<Extent> {
    const end = offset + length;
    let pending: Extent | undefined;
    for (let at = offset; at < end;) {
      signal?.throwIfAborted();
      const run = await this.#longRunAt(at, end - at);
      const extent = this.#extentOf(run, at);
      if (pending !== undefined && continues(pending, extent)) {
        pending.length += extent.length;
      } else {
        if (pending !== undefined) {
          yield pending;
        }
        pending = extent;
      }
      at += run.length;
    }
    if (pending !== undefined) {
      yield pending;
    }
  }

  async check(call: LongCall & { repair: boolean }): Promise<Fault[]> {
    const faults = await checkTables(this.tables, this.#file, this.lengthBytes, call);
    if (call.repair) {
      this.tables.forget();
      this.tables.fileBytes = await this.#file.size();
    }
    return faults;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #runAt(offset: number, limit: number): Promise<GrainRun> {
    for (;;) {
      const run = this.tables.run(offset, limit);
      if (run !== undefined) {
        return run;
      }
      await this.tables.load(offset);
    }
  }

  /** As {@link #runAt}, but without looking into each of very many tables that are empty. */
  async #longRunAt(offset: number, limit: number): Promise<GrainRun> {
    const known = this.tables.run(offset, limit);
    if (known !== undefined || this.isGrowing) {
      return known ?? this.#runAt(offset, limit);
    }
    const span = this.tables.tableSpan;
    const index = Math.floor(offset / span);
    const empty = (await this.tables.absentTables(index)) || (await this.tables.tablesInHole(index));
    if (empty > 0) {
      const length = Math.min(limit, (index + empty) * span - offset);
      return { kind: 'parent', length, fileOffset: undefined };
    }
    return this.#runAt(offset, limit);
  }

  async #readRun(run: GrainRun, buffer: Buffer, offset: number, readBelow: ReadBelow): Promise<void> {
    if (run.kind === 'zero') {
      buffer.fill(0);
    } else if (run.kind === 'parent') {
      await readBelow(buffer, offset);
    } else if (this.#grains !== undefined) {
      await this.#readCompressed(this.#grains, buffer, offset);
    } else {
      const found = await this.#file.read(buffer, run.fileOffset ?? 0);
      if (found < buffer.length && !this.isGrowing) {
        throw damagedField(this.#file.path, `grain at byte ${offset}`, 'the file ends inside it');
      }
      buffer.fill(0, found);
    }
  }

  async #readCompressed(grains: CompressedGrains, buffer: Buffer, offset: number): Promise<void> {
    const { grainBytes } = this.tables.geometry;
    const end = offset + buffer.length;
    const inflating: Promise<void>[] = [];
    for (let start = offset - (offset % grainBytes); start < end; start += grainBytes) {
      const { fileOffset = 0 } = await this.#runAt(start, 1);
      const length = Math.min(grainBytes, this.lengthBytes - start);
      const from = Math.max(offset, start);
      const to = Math.min(end, start + grainBytes);
      inflating.push(
        grains.content({ fileOffset, extentOffset: start, length }).then((content) => {
          content.copy(buffer, from - offset, from - start, to - start);
        }),
      );
      if (inflating.length === readsAtOnce || start + grainBytes >= end) {
        await allOf(inflating.splice(0));
      }
    }
  }

  #extentOf({ kind, length, fileOffset }: GrainRun, offset: number): Extent {
    if (kind !== 'data') {
      return { offset, length, state: kind };
    }
    return this.#grains === undefined && fileOffset !== undefined
      ? { offset, length, state: 'data', fileOffset }
      : { offset, length, state: 'data', isCompressed: true };
  }
}

/** Waits for all, also when one fails. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') {
      throw result.reason;
    }
  }
}

function continues(one: Extent, next: Extent): boolean {
  if (one.state !== next.state || one.isCompressed !== next.isCompressed) {
    return false;
  }
  return one.fileOffset === undefined || next.fileOffset === one.fileOffset + one.length;
}
