import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import type { Fault, LongCall } from '../disk.ts';
import type { GrainTables } from './grain-tables.ts';
import { entryBytes, sectorBytes, zeroedEntry } from './structures.ts';

/** One bit for each grain of the file; files whose grains need more are not searched for grains that are used twice. */
const largestUsageBytes = 16 * 1024 * 1024;
const mostFaults = 1000;

/**
 * Checks directory and tables of one extent: entries that lead out of the file, grains that are used twice, and a
 * redundant directory that says something else. Grains themselves are not read.
 */
export async function checkTables(
  tables: GrainTables,
  file: DiskFile,
  lengthBytes: number,
  call: LongCall,
): Promise<Fault[]> {
  const { geometry } = tables;
  const faults: Fault[] = [];
  const usage = usageOf(tables);
  for (let index = 0; index < geometry.tableCount && faults.length < mostFaults; index++) {
    call.signal?.throwIfAborted();
    const absent = await tables.absentTables(index);
    if (absent > 0) {
      index += absent - 1;
      continue;
    }
    const table = await usable(faults, `grain directory entry ${index}`, async () => {
      const sector = await tables.directoryEntry(index);
      return sector === zeroedEntry && geometry.hasZeroedGrains ? undefined : tables.readTable(sector, index);
    });
    if (table !== undefined) {
      checkEntries(tables, table, index, usage, faults);
      await checkRedundant(tables, table, index, faults);
    }
    call.onProgress?.(Math.min(lengthBytes, (index + 1) * tables.tableSpan), lengthBytes);
  }
  if (geometry.descriptor !== undefined && geometry.isUnclean) {
    faults.push({
      severity: 'leak',
      field: 'uncleanShutdown',
      message: `The disk ${file.path} was not closed properly by the program that wrote it last.`,
      isRepaired: false,
    });
  }
  return faults;
}

function usageOf({ geometry, fileBytes }: GrainTables): Uint8Array | undefined {
  const bytes = Math.ceil(fileBytes / geometry.grainBytes / 8);
  return geometry.isCompressed || bytes > largestUsageBytes ? undefined : new Uint8Array(bytes);
}

function checkEntries(
  { geometry, fileBytes }: GrainTables,
  table: Buffer,
  index: number,
  usage: Uint8Array | undefined,
  faults: Fault[],
): void {
  for (let at = 0; at < table.length && faults.length < mostFaults; at += entryBytes) {
    const entry = table.readUInt32LE(at);
    if (entry === 0 || (entry === zeroedEntry && geometry.hasZeroedGrains)) {
      continue;
    }
    const field = `grain table ${index}, entry ${at / entryBytes}`;
    const offset = entry * sectorBytes;
    if (offset < geometry.overHeadBytes || offset >= fileBytes) {
      faults.push(error(field, `It leads to sector ${entry}, where no grain can be.`));
      continue;
    }
    const grain = Math.floor(offset / geometry.grainBytes);
    const bit = 1 << (grain & 7);
    const byte = usage?.[grain >> 3];
    if (usage !== undefined && byte !== undefined) {
      if ((byte & bit) !== 0) {
        faults.push(error(field, `The grain at sector ${entry} is another part of the disk already.`));
      }
      usage[grain >> 3] = byte | bit;
    }
  }
}

async function checkRedundant(tables: GrainTables, table: Buffer, index: number, faults: Fault[]): Promise<void> {
  const { rgdOffset } = tables.geometry;
  if (rgdOffset === undefined) {
    return;
  }
  const field = `redundant grain directory entry ${index}`;
  const redundant = await usable(faults, field, async () => {
    const sector = await tables.directoryEntry(index, rgdOffset);
    return sector === 0 ? undefined : tables.readTable(sector, index);
  });
  if (redundant !== undefined && !redundant.equals(table)) {
    faults.push(error(field, 'The redundant grain table differs from the grain table.'));
  }
}

async function usable<T>(faults: Fault[], field: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof CheckpointError && thrown.code === 'ImageDamaged') {
      faults.push(error(field, thrown.message));
      return undefined;
    }
    throw thrown;
  }
}

function error(field: string, message: string): Fault {
  return { severity: 'error', field, message, isRepaired: false };
}
