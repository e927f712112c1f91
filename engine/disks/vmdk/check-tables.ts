import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import type { Fault, LongCall } from '../disk.ts';
import type { GrainTables } from './grain-tables.ts';
import { appendTable, clearUnclean, storeTable } from './mend-tables.ts';
import { entryBytes, sectorBytes, zeroedEntry } from './structures.ts';

/** One bit for each grain of the file; files whose grains need more are not searched for grains that are used twice. */
const largestUsageBytes = 16 * 1024 * 1024;
const mostFaults = 1000;

/** What a directory's entry leads to: a table, an error, or nothing. */
interface TableCopy {
  sector: number;
  table?: Buffer;
  problem?: string;
}

/**
 * Checks directory and tables of one extent: entries that lead out of the file, grains that are used twice, and a
 * redundant directory that says something else. Grains themselves are not read. What only one of the two directories has
 * lost is mended from the other one; where both make sense and differ, nobody can tell which is right.
 */
export async function checkTables(
  tables: GrainTables,
  file: DiskFile,
  lengthBytes: number,
  call: LongCall & { repair: boolean },
): Promise<Fault[]> {
  const { geometry } = tables;
  const check = new TableCheck(tables, file, call.repair && geometry.rgdOffset !== undefined && !geometry.isCompressed);
  for (let index = 0; index < geometry.tableCount && check.faults.length < mostFaults; index++) {
    call.signal?.throwIfAborted();
    const empty = await check.emptyTables(index);
    if (empty > 0) {
      index += empty - 1;
    } else {
      await check.table(index);
    }
    call.onProgress?.(Math.min(lengthBytes, (index + 1) * tables.tableSpan), lengthBytes);
  }
  if (geometry.descriptor !== undefined && geometry.isUnclean) {
    const isRepaired = call.repair && !geometry.isCompressed && check.faults.every((fault) => fault.isRepaired);
    if (isRepaired) {
      await clearUnclean(file);
    }
    check.faults.push({
      severity: 'leak',
      field: 'uncleanShutdown',
      message: `The disk ${file.path} was not closed properly by the program that wrote it last.`,
      isRepaired,
    });
  }
  return check.faults;
}

class TableCheck {
  readonly faults: Fault[] = [];
  readonly #tables: GrainTables;
  readonly #file: DiskFile;
  readonly #isMending: boolean;
  readonly #usage: Uint8Array | undefined;

  constructor(tables: GrainTables, file: DiskFile, isMending: boolean) {
    this.#tables = tables;
    this.#file = file;
    this.#isMending = isMending;
    const bytes = Math.ceil(tables.fileBytes / tables.geometry.grainBytes / 8);
    this.#usage = tables.geometry.isCompressed || bytes > largestUsageBytes ? undefined : new Uint8Array(bytes);
  }

  /** How many tables from one on hold nothing, in both directories, as far as that is seen without reading them. */
  async emptyTables(index: number): Promise<number> {
    const { gdOffset, rgdOffset } = this.#tables.geometry;
    const counts = [gdOffset, ...(rgdOffset === undefined ? [] : [rgdOffset])].map(
      async (directory) =>
        (await this.#tables.absentTables(index, directory)) || (await this.#tables.tablesInHole(index, directory)),
    );
    return Math.min(...(await Promise.all(counts)));
  }

  async table(index: number): Promise<void> {
    const { gdOffset, rgdOffset } = this.#tables.geometry;
    const primary = await this.#copy(index, gdOffset);
    const redundant = rgdOffset === undefined ? undefined : await this.#copy(index, rgdOffset);
    if (primary.sector === 0 && redundant?.table?.some((byte) => byte !== 0) === true) {
      primary.problem = 'It leads nowhere, and the redundant one leads to a table.';
    }
    if (primary.problem !== undefined) {
      const fault = this.#error(`grain directory entry ${index}`, primary.problem);
      if (this.#isMending && redundant?.table !== undefined) {
        primary.table = Buffer.from(redundant.table);
        primary.sector = await appendTable(this.#tables, this.#file, gdOffset, index, primary.table);
        fault.isRepaired = true;
      }
    }
    if (primary.table !== undefined) {
      await this.#entries(index, primary.table, primary.sector, redundant?.table);
    }
    if (redundant !== undefined && rgdOffset !== undefined) {
      await this.#redundant(index, primary.table, redundant, rgdOffset);
    }
  }

  async #copy(index: number, directoryOffset: number): Promise<TableCopy> {
    const sector = await this.#tables.directoryEntry(index, directoryOffset);
    if (sector === 0 || (sector === zeroedEntry && this.#tables.geometry.hasZeroedGrains)) {
      return { sector };
    }
    try {
      return { sector, table: await this.#tables.readTable(sector, index) };
    } catch (error) {
      if (error instanceof CheckpointError && error.code === 'ImageDamaged') {
        return { sector, problem: error.message };
      }
      throw error;
    }
  }

  async #entries(index: number, table: Buffer, sector: number, redundant: Buffer | undefined): Promise<void> {
    const mended: Fault[] = [];
    for (let at = 0; at < table.length && this.faults.length < mostFaults; at += entryBytes) {
      const field = `grain table ${index}, entry ${at / entryBytes}`;
      if (!this.#isPlace(table.readUInt32LE(at))) {
        const fault = this.#error(field, `It leads to sector ${table.readUInt32LE(at)}, where no grain can be.`);
        const other = redundant?.readUInt32LE(at);
        if (!this.#isMending || other === undefined || !this.#isPlace(other) || this.#isUsed(other)) {
          continue;
        }
        table.writeUInt32LE(other, at);
        mended.push(fault);
      }
      const entry = table.readUInt32LE(at);
      if (this.#isCutOff(entry, index, at / entryBytes)) {
        this.#error(field, `The file ends inside the grain at sector ${entry}.`);
      }
      if (this.#isUsed(entry)) {
        this.#error(field, `The grain at sector ${entry} is another part of the disk already.`);
      }
      this.#use(entry);
    }
    if (mended.length > 0) {
      await storeTable(this.#file, sector, table);
      mended.forEach((fault) => (fault.isRepaired = true));
    }
  }

  async #redundant(
    index: number,
    table: Buffer | undefined,
    redundant: TableCopy,
    directoryOffset: number,
  ): Promise<void> {
    const field = `redundant grain directory entry ${index}`;
    if (redundant.problem !== undefined) {
      const fault = this.#error(field, redundant.problem);
      if (this.#isMending && table !== undefined) {
        await appendTable(this.#tables, this.#file, directoryOffset, index, table);
        fault.isRepaired = true;
      }
    } else if (table !== undefined && redundant.table !== undefined && !redundant.table.equals(table)) {
      const fault = this.#error(field, 'The redundant grain table differs from the grain table.');
      if (this.#isMending && this.#isSuperseded(redundant.table, table)) {
        await storeTable(this.#file, redundant.sector, table);
        fault.isRepaired = true;
      }
    }
  }

  /** Whether an old table says nothing that a new one does not: it only lacks grains, or leads where none can be. */
  #isSuperseded(old: Buffer, table: Buffer): boolean {
    for (let at = 0; at < table.length; at += entryBytes) {
      const entry = table.readUInt32LE(at);
      const oldEntry = old.readUInt32LE(at);
      if (oldEntry !== entry && (!this.#isPlace(entry) || (oldEntry !== 0 && this.#isPlace(oldEntry)))) {
        return false;
      }
    }
    return true;
  }

  /** Whether an entry is empty, or leads to where grains are. */
  #isPlace(entry: number): boolean {
    const { geometry, fileBytes } = this.#tables;
    const offset = entry * sectorBytes;
    return this.#isEmpty(entry) || (offset >= geometry.overHeadBytes && offset < fileBytes);
  }

  /** Whether the file ends before what the disk has in a grain. */
  #isCutOff(entry: number, table: number, place: number): boolean {
    const { geometry, fileBytes } = this.#tables;
    const start = (table * geometry.entriesPerTable + place) * geometry.grainBytes;
    const used = Math.min(geometry.grainBytes, geometry.capacityBytes - start);
    return !geometry.isCompressed && !this.#isEmpty(entry) && entry * sectorBytes + used > fileBytes;
  }

  #isEmpty(entry: number): boolean {
    return entry === 0 || (entry === zeroedEntry && this.#tables.geometry.hasZeroedGrains);
  }

  #isUsed(entry: number): boolean {
    const grain = this.#grainAt(entry);
    return !this.#isEmpty(entry) && ((this.#usage?.[grain >> 3] ?? 0) & (1 << (grain & 7))) !== 0;
  }

  #use(entry: number): void {
    const grain = this.#grainAt(entry);
    const byte = this.#usage?.[grain >> 3];
    if (this.#usage !== undefined && byte !== undefined && !this.#isEmpty(entry)) {
      this.#usage[grain >> 3] = byte | (1 << (grain & 7));
    }
  }

  #grainAt(entry: number): number {
    return Math.floor((entry * sectorBytes) / this.#tables.geometry.grainBytes);
  }

  #error(field: string, message: string): Fault {
    const fault: Fault = { severity: 'error', field, message, isRepaired: false };
    this.faults.push(fault);
    return fault;
  }
}
