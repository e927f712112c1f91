import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import type { GrainTables } from './grain-tables.ts';
import { entryBytes, sectorBytes, sparseExtentHeader } from './structures.ts';

/** A grain directory entry has 32 bits. */
const lastSector = 2 ** 32 - 1;

/** Writes a table where it was, durably. */
export async function storeTable(file: DiskFile, sector: number, table: Buffer): Promise<void> {
  await file.write(table, sector * sectorBytes);
  await file.sync();
}

/**
 * Puts a table at the file's end, where it lies on nothing, and then lets a directory's entry lead to it.
 * @param directoryOffset of the primary or the redundant directory
 * @returns the table's sector
 * @throws UnsupportedDisk when the file is too long for an entry to lead to its end
 */
export async function appendTable(
  tables: GrainTables,
  file: DiskFile,
  directoryOffset: number,
  index: number,
  table: Buffer,
): Promise<number> {
  const sector = Math.ceil((await file.size()) / sectorBytes);
  if (sector > lastSector) {
    throw new CheckpointError('UnsupportedDisk', `The file ${file.path} is too long for another grain table.`, {
      path: file.path,
      field: `grain directory entry ${index}`,
    });
  }
  await storeTable(file, sector, table);
  const entry = Buffer.alloc(entryBytes);
  entry.writeUInt32LE(sector);
  await file.write(entry, directoryOffset + index * entryBytes);
  await file.sync();
  tables.forget();
  return sector;
}

/** Says that the image is whole again. */
export async function clearUnclean(file: DiskFile): Promise<void> {
  await file.write(Buffer.alloc(1), sparseExtentHeader.uncleanShutdown.offset);
  await file.sync();
}
