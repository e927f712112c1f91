import { randomUUID } from 'node:crypto';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { Disk } from '../disk.ts';
import { BlockAllocationTable } from './block-allocation-table.ts';
import { Headers, type FileRange, type FoundHeaders } from './headers.ts';
import { LogWriter, type SectorUpdate } from './log-writer.ts';
import { MetadataPages } from './metadata-pages.ts';
import type { Metadata } from './metadata-table.ts';
import { decodeParentLocator, type ParentLocator } from './parent-locator.ts';
import type { Regions } from './region-table.ts';
import { SectorBitmaps } from './sector-bitmap.ts';
import { roundUp, Space, type Place } from './space.ts';
import { alignmentBytes } from './structures.ts';
import type { SyncedFile } from './synced-file.ts';
import { Gate, Locks, Queue, type Turn } from './turns.ts';

/** So many changed log sectors are written out without waiting for a flush: they still fit into one log entry. */
const mostDirtySectors = 96;

/** What was found in the file when it was opened. */
export interface OpenedFile {
  file: SyncedFile;
  headers: FoundHeaders;
  regions: Regions;
  metadata: Metadata;
  creator: string;
}

/** An open VHDX: its tables in memory, and the one way in which they are changed durably. */
export class VhdxImage {
  readonly file: SyncedFile;
  readonly found: OpenedFile;
  readonly headers: Headers;
  readonly pages: MetadataPages;
  readonly space: Space;
  readonly gate = new Gate();
  /** One for each payload block, and, as -1 - n, one for each chunk. */
  readonly locks = new Locks();
  readonly #log: LogWriter;
  readonly #queue = new Queue();
  /** What DataWriteGuid becomes when the disk's content first changes; a child may have to know it before that. */
  readonly comingDataWriteGuid = randomUUID();
  #hasNewFileWriteGuid = false;
  #hasNewDataWriteGuid = false;

  regions: Regions;
  metadata: Metadata;
  locator: ParentLocator | undefined;
  bat: BlockAllocationTable;
  bitmaps: SectorBitmaps;
  parent: Disk | undefined;

  /** @throws ImageDamaged, UnsupportedDisk */
  constructor(found: OpenedFile) {
    this.found = found;
    this.file = found.file;
    this.headers = new Headers(found.file, found.headers);
    this.regions = found.regions;
    this.metadata = found.metadata;
    this.locator =
      found.metadata.parentLocator === undefined
        ? undefined
        : decodeParentLocator(found.metadata.parentLocator, found.file.path);
    this.pages = new MetadataPages(found.file);
    this.space = new Space(found.file);
    this.#log = new LogWriter(found.file, this.headers, found.headers.log);
    this.bat = this.#newBat();
    this.bitmaps = new SectorBitmaps(this.file.path, this.bat, this.pages);
  }

  /** Where no block can lie. */
  get takenRanges(): FileRange[] {
    return [this.found.headers.log, this.regions.bat, this.regions.metadata, ...this.regions.others];
  }

  /** After regions or metadata have become others. */
  reload(): void {
    this.bat = this.#newBat();
    this.bitmaps = new SectorBitmaps(this.file.path, this.bat, this.pages);
  }

  #newBat(): BlockAllocationTable {
    const facts = { metadata: this.metadata, region: this.regions.bat, taken: this.takenRanges };
    return new BlockAllocationTable(this.file, this.pages, facts);
  }

  /** Runs a call beside others. */
  async beside<T>(work: () => Promise<T>): Promise<T> {
    const turn: Turn = this.gate.enter() ?? (await this.gate.wait());
    try {
      return await work();
    } finally {
      this.gate.leave(turn);
    }
  }

  /** Has to be awaited before anything in the file changes ([MS-VHDX] 2.2.2, FileWriteGuid); undefined when it has been. */
  beforeFileChange(): Promise<void> | undefined {
    return this.#hasNewFileWriteGuid
      ? undefined
      : this.#queue.run(async () => {
          if (!this.#hasNewFileWriteGuid) {
            await this.headers.update({});
            this.#hasNewFileWriteGuid = true;
          }
        });
  }

  /** The same before what a guest sees changes (DataWriteGuid): once for each time that the file is opened. */
  beforeDataChange(): Promise<void> | undefined {
    return this.#hasNewDataWriteGuid
      ? undefined
      : this.#queue.run(async () => {
          if (!this.#hasNewDataWriteGuid) {
            await this.headers.update({ DataWriteGuid: this.comingDataWriteGuid });
            this.#hasNewFileWriteGuid = true;
            this.#hasNewDataWriteGuid = true;
          }
        });
  }

  get hasNewDataWriteGuid(): boolean {
    return this.#hasNewDataWriteGuid;
  }

  get dataWriteGuid(): string {
    return this.headers.values.DataWriteGuid;
  }

  /** DataWriteGuid after the next change of content. */
  get nextDataWriteGuid(): string {
    return this.#hasNewDataWriteGuid ? this.dataWriteGuid : this.comingDataWriteGuid;
  }

  /** Space for a block of so many bytes. */
  async allocate(length: number): Promise<Place> {
    await this.space.prepare(this.bat);
    return this.space.allocate(length);
  }

  /** Keeps the changes in memory few. To be awaited between the steps of a longer work. */
  commitIfMany(): Promise<void> | undefined {
    return this.pages.dirtySectors < mostDirtySectors ? undefined : this.commit();
  }

  /**
   * Makes all finished writes durable: data first, then the changed metadata in the log, then in its place; the latter is
   * durable before the next entry is written. Then space that went free is given back.
   */
  commit(): Promise<void> {
    return this.#queue.run(() => this.#commit());
  }

  async #commit(): Promise<void> {
    const commit = this.pages.takeDirty((fileOffset) => !this.#isInBat(fileOffset));
    const freed = this.space.takeFreed();
    const sizes = { flushedFileOffset: roundDown(this.file.sizeBytes), lastFileOffset: this.space.endBytes };
    try {
      await this.file.syncIfDirty();
      const { mostSectors } = this.#log;
      for (let from = 0; from < commit.updates.length; from += mostSectors) {
        if (from > 0) {
          await this.file.sync();
        }
        const updates = commit.updates.slice(from, from + Math.max(1, mostSectors));
        await this.#log.append(updates, sizes);
        await this.#putInPlace(updates);
      }
    } catch (error) {
      this.pages.finish(commit, false);
      freed.forEach((range) => this.space.free(range));
      throw error;
    }
    this.pages.finish(commit, true);
    if (freed.length > 0) {
      this.gate.whenDrained(() => this.space.drain(freed));
    }
    await this.space.reclaim();
  }

  #isInBat(fileOffset: number): boolean {
    const { offset, length } = this.bat.region;
    return fileOffset >= offset && fileOffset < offset + length;
  }

  /** Neighbours in one write. */
  async #putInPlace(updates: readonly SectorUpdate[]): Promise<void> {
    const inOrder = [...updates].sort((one, other) => one.fileOffset - other.fileOffset);
    let run: SectorUpdate[] = [];
    for (const update of inOrder) {
      const last = run.at(-1);
      if (last !== undefined && last.fileOffset + last.content.length !== update.fileOffset) {
        await this.#writeRun(run);
        run = [];
      }
      run.push(update);
    }
    await this.#writeRun(run);
  }

  async #writeRun(run: readonly SectorUpdate[]): Promise<void> {
    const [first] = run;
    if (first !== undefined) {
      await this.file.write(
        run.length === 1 ? first.content : Buffer.concat(run.map(({ content }) => content)),
        first.fileOffset,
      );
    }
  }

  /** Makes the file shorter, so that a log that is in use does not take it for cut off (2.3.1.1). All else is committed. */
  shorten(sizeBytes: number): Promise<void> {
    return this.#queue.run(async () => {
      await this.file.syncIfDirty();
      await this.#log.append([], { flushedFileOffset: roundDown(sizeBytes), lastFileOffset: roundUp(sizeBytes) });
      await this.file.truncate(sizeBytes);
      await this.file.sync();
    });
  }

  /** Leaves the file as one that needs no replay. */
  async close(): Promise<void> {
    await this.commit();
    await this.#queue.run(async () => {
      await this.file.syncIfDirty();
      await this.#log.close();
    });
  }

  /** The parent whose content shows where this file has none. @throws ParentMismatch when there should be one */
  requireParent(): Disk | undefined {
    if (this.parent === undefined && this.metadata.hasParent) {
      throw new CheckpointError(
        'ParentMismatch',
        `The VHDX ${this.file.path} holds only what differs from its parent, and its parent is not there.`,
        { path: this.file.path },
      );
    }
    return this.parent;
  }
}

function roundDown(bytes: number): number {
  return Math.floor(bytes / alignmentBytes) * alignmentBytes;
}
