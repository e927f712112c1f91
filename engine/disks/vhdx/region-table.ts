import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { PiecesRead } from '../pieces-read.ts';
import { isZero, zeroBuffer } from '../zero-content.ts';
import { boundedNumber, damagedField, readField, readStructure, writeStructure } from '../structure.ts';
import { crc32c, structureChecksum } from './crc32c.ts';
import type { FileRange } from './headers.ts';
import {
  alignmentBytes,
  batRegionGuid,
  headerSectionBytes,
  metadataRegionGuid,
  mostTableEntries,
  regionTableBytes,
  regionTableEntry,
  regionTableEntryBytes,
  regionTableHeader,
  regionTableHeaderBytes,
  regionTableOffsets,
  regionTableSignature,
} from './structures.ts';

/** So much of a table is all that is used as a rule; the rest is zeros. */
export const usualRegionTableBytes = 4096;

const mostUsualEntries = (usualRegionTableBytes - regionTableHeaderBytes) / regionTableEntryBytes;

/** What the region table says ([MS-VHDX] 2.2.3). */
export interface Regions {
  bat: FileRange;
  metadata: FileRange;
  /** Regions that are not known and need not be; they keep their place. */
  others: FileRange[];
  /** The table as it lies in the file, without the zeros at its end. */
  table: Buffer;
}

/** @throws ImageDamaged when both copies are unusable; UnsupportedDisk for an unknown required region */
export async function readRegions(file: PiecesRead, fileSizeBytes: number, log: FileRange): Promise<Regions> {
  const table = (await readUsual(file)) ?? (await readCopy(file, 0)) ?? (await readCopy(file, 1));
  if (table === undefined) {
    throw damagedField(file.path, 'region table', 'neither of its two copies has the right signature and checksum');
  }
  const known = new Map<string, FileRange>();
  const others: FileRange[] = [];
  const entryCount = boundedNumber(
    readField(table, regionTableHeader.EntryCount),
    { max: mostTableEntries },
    'EntryCount',
    file.path,
  );
  for (let index = 0; index < entryCount; index++) {
    const entry = readStructure(table, regionTableEntry, regionTableHeaderBytes + index * regionTableEntryBytes);
    const range = regionRange(entry, fileSizeBytes, file.path);
    if (entry.Guid !== batRegionGuid && entry.Guid !== metadataRegionGuid) {
      if ((entry.Required & 1) !== 0) {
        throw new CheckpointError(
          'UnsupportedDisk',
          `The VHDX ${file.path} needs a region that is not known here (${entry.Guid}). Convert it with the program that made it.`,
          { path: file.path, field: 'Required', found: entry.Guid },
        );
      }
      others.push(range);
    } else if (known.has(entry.Guid)) {
      throw damagedField(file.path, 'Guid', `the region ${entry.Guid} is there twice`);
    } else {
      known.set(entry.Guid, range);
    }
  }
  const bat = known.get(batRegionGuid);
  const metadata = known.get(metadataRegionGuid);
  if (bat === undefined || metadata === undefined) {
    throw damagedField(file.path, 'region table', `it has no ${bat === undefined ? 'BAT' : 'metadata'} region`);
  }
  refuseOverlap([bat, metadata, ...others, log], file.path);
  return { bat, metadata, others, table: Buffer.from(withoutZeros(table)) };
}

/** The first copy when its checksum is right with nothing but zeros behind the usual part: then that is not read. */
async function readUsual(file: PiecesRead): Promise<Buffer | undefined> {
  const table = await file.bytes(regionTableOffsets[0], usualRegionTableBytes);
  const isUsual =
    table.length === usualRegionTableBytes &&
    readField(table, regionTableHeader.Signature) === regionTableSignature &&
    readField(table, regionTableHeader.EntryCount) <= mostUsualEntries;
  const zeros = zeroBuffer.subarray(0, regionTableBytes - usualRegionTableBytes);
  return isUsual &&
    readField(table, regionTableHeader.Checksum) ===
      crc32c(zeros, structureChecksum(table, regionTableHeader.Checksum.offset))
    ? table
    : undefined;
}

async function readCopy(file: PiecesRead, copy: 0 | 1): Promise<Buffer | undefined> {
  const table = await file.bytes(regionTableOffsets[copy], regionTableBytes);
  const isIntact =
    table.length === regionTableBytes &&
    readField(table, regionTableHeader.Signature) === regionTableSignature &&
    readField(table, regionTableHeader.Checksum) === structureChecksum(table, regionTableHeader.Checksum.offset);
  return isIntact ? table : undefined;
}

/** Copies with a wrong signature or checksum, or with other content than the one that is used. */
export async function damagedCopies(file: PiecesRead, regions: Regions): Promise<number[]> {
  const copies = await Promise.all([readCopy(file, 0), readCopy(file, 1)]);
  const used = wholeTable(regions);
  return copies.flatMap((copy, index) => (copy?.equals(used) === true ? [] : [index]));
}

/** The table as it lies in the file. */
export function wholeTable({ table }: Regions): Buffer {
  const whole = Buffer.alloc(regionTableBytes);
  table.copy(whole);
  return whole;
}

/** Each layer of a deep chain keeps its table: in most, 4 KiB of it are more than is used. */
function withoutZeros(table: Buffer): Buffer {
  return isZero(table, usualRegionTableBytes) ? table.subarray(0, usualRegionTableBytes) : table;
}

function regionRange(entry: { FileOffset: bigint; Length: number }, fileSizeBytes: number, path: string): FileRange {
  const bounds = { min: headerSectionBytes, max: fileSizeBytes - entry.Length };
  const offset = boundedNumber(entry.FileOffset, bounds, 'FileOffset of a region', path);
  if (offset % alignmentBytes !== 0 || entry.Length % alignmentBytes !== 0 || entry.Length === 0) {
    throw damagedField(path, 'FileOffset of a region', 'it or Length is not a multiple of 1 MiB');
  }
  return { offset, length: entry.Length };
}

function refuseOverlap(ranges: FileRange[], path: string): void {
  const inOrder = ranges.filter(({ length }) => length > 0).sort((one, other) => one.offset - other.offset);
  let end = 0;
  for (const range of inOrder) {
    if (range.offset < end) {
      throw damagedField(path, 'FileOffset of a region', `regions or the log overlap at byte ${range.offset}`);
    }
    end = range.offset + range.length;
  }
}

/** A region table with the two regions that every file has. */
export function encodeRegionTable(bat: FileRange, metadata: FileRange): Buffer {
  const table = Buffer.alloc(regionTableBytes);
  writeStructure(table, regionTableHeader, { Signature: regionTableSignature, EntryCount: 2 });
  [
    { Guid: batRegionGuid, range: bat },
    { Guid: metadataRegionGuid, range: metadata },
  ].forEach(({ Guid, range }, index) =>
    writeStructure(
      table,
      regionTableEntry,
      { Guid, FileOffset: BigInt(range.offset), Length: range.length, Required: 1 },
      regionTableHeaderBytes + index * regionTableEntryBytes,
    ),
  );
  return withChecksum(table);
}

/** The same table with another place for the BAT. */
export function moveBat(regions: Regions, bat: FileRange): Buffer {
  const table = wholeTable(regions);
  const entryCount = readField(table, regionTableHeader.EntryCount);
  for (let index = 0; index < entryCount; index++) {
    const at = regionTableHeaderBytes + index * regionTableEntryBytes;
    if (readField(table, regionTableEntry.Guid, at) === batRegionGuid) {
      writeStructure(table, regionTableEntry, { FileOffset: BigInt(bat.offset), Length: bat.length }, at);
    }
  }
  return withChecksum(table);
}

function withChecksum(table: Buffer): Buffer {
  writeStructure(table, regionTableHeader, {
    Checksum: structureChecksum(table, regionTableHeader.Checksum.offset),
  });
  return table;
}
