import type { DiskFile } from '../disk-file.ts';
import { damagedField } from '../structure.ts';
import { readExactly } from './exact-read.ts';
import type { SparseGeometry } from './sparse-header.ts';
import { entryBytes, sectorBytes, zeroedEntry } from './structures.ts';

/** A grain table's entries, or what its directory entry says instead of having one. */
export type GrainTable = Buffer | 'absent' | 'zeroed';

/** Neighbouring grains of one kind, within one table. Bytes. */
export interface GrainRun {
  kind: 'data' | 'zero' | 'parent';
  length: number;
  /** Where it lies in the file; of compressed grains the first one's place. Absent unless `data`. */
  fileOffset: number | undefined;
}

const directoryPageBytes = 64 * 1024;
const keptDirectoryPages = 16;
/** All tables in memory, for one extent; so a disk of 4,096 extents stays bounded too, most of them being unused. */
const keptTableBytes = 2 * 1024 * 1024;

/** Looks up grains ("Grain Directory", "Grain Table") through a bounded number of tables in memory. */
export class GrainTables {
  readonly geometry: SparseGeometry;
  readonly #file: DiskFile;
  /** Bytes of the file in which grains may lie. */
  fileBytes: number;
  readonly #tables = new Map<number, GrainTable>();
  /** Tables that were changed and are not stored; those stay, however many there are. */
  readonly #changed = new Map<number, Buffer>();
  readonly #loading = new Map<number, Promise<GrainTable>>();
  readonly #pages = new Map<number, Buffer>();
  readonly #keptTables: number;
  readonly #tableBytes: number;

  constructor(file: DiskFile, geometry: SparseGeometry, fileBytes: number) {
    this.geometry = geometry;
    this.#file = file;
    this.fileBytes = fileBytes;
    this.#tableBytes = geometry.entriesPerTable * entryBytes;
    this.#keptTables = Math.max(4, Math.floor(keptTableBytes / this.#tableBytes));
  }

  /** Bytes of the disk that one table covers. */
  get tableSpan(): number {
    return this.geometry.entriesPerTable * this.geometry.grainBytes;
  }

  /**
   * The run of grains that begins at a byte of the extent, at most `limit` bytes long.
   * @returns undefined when the table must be loaded first ({@link load})
   * @throws ImageDamaged for an entry that leads out of the file
   */
  run(offset: number, limit: number): GrainRun | undefined {
    const { grainBytes } = this.geometry;
    const index = Math.floor(offset / this.tableSpan);
    const table = this.peek(index);
    if (table === undefined) {
      return undefined;
    }
    const tableEnd = (index + 1) * this.tableSpan;
    const most = Math.min(limit, tableEnd - offset);
    if (!Buffer.isBuffer(table)) {
      return { kind: table === 'zeroed' ? 'zero' : 'parent', length: most, fileOffset: undefined };
    }
    const within = offset % grainBytes;
    const first = Math.floor((offset - index * this.tableSpan) / grainBytes);
    const entry = table.readUInt32LE(first * entryBytes);
    const kind = this.#kindOf(entry);
    let length = Math.min(most, grainBytes - within);
    let next = first;
    for (let before = entry; length < most; length = Math.min(most, length + grainBytes)) {
      next++;
      const following = table.readUInt32LE(next * entryBytes);
      if (!this.#continues(kind, before, following)) {
        break;
      }
      before = following;
    }
    if (kind !== 'data') {
      return { kind, length, fileOffset: undefined };
    }
    const start = entry * sectorBytes;
    if (start >= this.fileBytes || (!this.geometry.isCompressed && start + within + length > this.fileBytes)) {
      throw damagedField(
        this.#file.path,
        `grain table ${index}, entry ${first}`,
        `it leads to sector ${entry}, beyond the end of the file`,
      );
    }
    return { kind, length, fileOffset: this.geometry.isCompressed ? start : start + within };
  }

  /** Loads the table that a byte of the extent belongs to. @throws ImageDamaged */
  async load(offset: number): Promise<GrainTable> {
    const index = Math.floor(offset / this.tableSpan);
    const table = this.peek(index);
    if (table !== undefined) {
      this.#keep(index, table);
      return table;
    }
    let loading = this.#loading.get(index);
    if (loading === undefined) {
      loading = this.#read(index).finally(() => this.#loading.delete(index));
      this.#loading.set(index, loading);
    }
    return loading;
  }

  /** A table that is in memory. */
  peek(index: number): GrainTable | undefined {
    return this.#changed.get(index) ?? this.#tables.get(index);
  }

  /** Marks a table, which was got from here, as changed: it stays until {@link settle}. */
  change(index: number, table: Buffer): void {
    this.#changed.set(index, table);
  }

  get changed(): ReadonlyMap<number, Buffer> {
    return this.#changed;
  }

  /** Takes a changed table for stored. */
  settle(index: number): void {
    const table = this.#changed.get(index);
    this.#changed.delete(index);
    if (table !== undefined) {
      this.#keep(index, table);
    }
  }

  /**
   * The directory's entry for a table: its sector, 0 or the zeroed mark.
   * @param directoryOffset of the primary or the redundant directory
   */
  async directoryEntry(index: number, directoryOffset = this.geometry.gdOffset): Promise<number> {
    const page = await this.#directoryPage(index, directoryOffset);
    return page.readUInt32LE((index * entryBytes) % directoryPageBytes);
  }

  /**
   * How many tables from one on have no entry in the directory, looked at in one page of it.
   * @param directoryOffset of the primary or the redundant directory
   * @returns 0 when the first has one
   */
  async absentTables(index: number, directoryOffset = this.geometry.gdOffset): Promise<number> {
    const page = await this.#directoryPage(index, directoryOffset);
    const from = (index * entryBytes) % directoryPageBytes;
    let to = from;
    while (to < page.length && page.readUInt32LE(to) === 0) {
      to += entryBytes;
    }
    return (to - from) / entryBytes;
  }

  /**
   * How many tables from one on lie in a hole of the file, and so are empty, looked at in one page of the directory.
   * Of a large new image that is nearly all of them.
   * @param directoryOffset of the primary or the redundant directory
   */
  async tablesInHole(index: number, directoryOffset = this.geometry.gdOffset): Promise<number> {
    if (this.#file.nextData === undefined) {
      return 0;
    }
    const page = await this.#directoryPage(index, directoryOffset);
    const from = (index * entryBytes) % directoryPageBytes;
    const first = page.readUInt32LE(from);
    const tableSectors = this.#tableBytes / sectorBytes;
    let count = 1;
    while (
      from + count * entryBytes < page.length &&
      page.readUInt32LE(from + count * entryBytes) === first + count * tableSectors
    ) {
      count++;
    }
    const start = first * sectorBytes;
    if (first <= zeroedEntry || start + count * this.#tableBytes > this.fileBytes) {
      return 0;
    }
    const data = await this.#file.nextData(start);
    return Math.min(count, Math.floor(((data?.offset ?? this.fileBytes) - start) / this.#tableBytes));
  }

  /** Drops what is in memory: the file was changed. */
  forget(): void {
    this.#tables.clear();
    this.#pages.clear();
  }

  /** Reads a table whose directory entry is known. @throws ImageDamaged, naming the directory's entry */
  async readTable(sector: number, index: number): Promise<Buffer> {
    const { entriesPerTable, capacityBytes, grainBytes } = this.geometry;
    const entries = Math.min(entriesPerTable, Math.ceil((capacityBytes - index * this.tableSpan) / grainBytes));
    const table = Buffer.alloc(this.#tableBytes);
    const field = `grain directory entry ${index}`;
    if (sector * sectorBytes + entries * entryBytes > this.fileBytes) {
      throw damagedField(this.#file.path, field, `it leads to sector ${sector}, beyond the end of the file`);
    }
    // The last table may be shorter than the others.
    await readExactly(this.#file, table.subarray(0, entries * entryBytes), sector * sectorBytes, field);
    return table;
  }

  async #read(index: number): Promise<GrainTable> {
    const sector = await this.directoryEntry(index);
    let table: GrainTable;
    if (sector === 0) {
      table = 'absent';
    } else if (sector === zeroedEntry && this.geometry.hasZeroedGrains) {
      table = 'zeroed';
    } else {
      table = await this.readTable(sector, index);
    }
    this.#keep(index, table);
    return table;
  }

  #keep(index: number, table: GrainTable): void {
    this.#tables.delete(index);
    this.#tables.set(index, table);
    dropOldest(this.#tables, this.#keptTables);
  }

  async #directoryPage(index: number, directoryOffset: number): Promise<Buffer> {
    const { tableCount } = this.geometry;
    const start = Math.floor((index * entryBytes) / directoryPageBytes) * directoryPageBytes;
    const kept = this.#pages.get(directoryOffset + start);
    if (kept !== undefined) {
      return kept;
    }
    const page = Buffer.alloc(Math.min(directoryPageBytes, tableCount * entryBytes - start));
    await readExactly(this.#file, page, directoryOffset + start, 'grain directory');
    this.#pages.set(directoryOffset + start, page);
    dropOldest(this.#pages, keptDirectoryPages);
    return page;
  }

  #kindOf(entry: number): GrainRun['kind'] {
    if (entry === 0) {
      return 'parent';
    }
    return entry === zeroedEntry && this.geometry.hasZeroedGrains ? 'zero' : 'data';
  }

  /** Whether a grain goes on where the one before ends, so that both are read at once. */
  #continues(kind: GrainRun['kind'], before: number, entry: number): boolean {
    if (this.#kindOf(entry) !== kind) {
      return false;
    }
    return kind !== 'data' || this.geometry.isCompressed || entry === before + this.geometry.grainBytes / sectorBytes;
  }
}

/** A Map gives its oldest entries first. */
function dropOldest<T>(kept: Map<number, T>, most: number): void {
  for (const key of kept.keys()) {
    if (kept.size <= most) {
      return;
    }
    kept.delete(key);
  }
}
