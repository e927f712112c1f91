import {
  boundedNumber,
  damagedField,
  readStructure,
  writeField,
  writeStructure,
  type Field,
  type StructureValues,
} from '../structure.ts';
import { checksumOf, footerBytes, maxDiskBytes, sectorBytes, type Problem } from './footer.ts';

export const dynamicHeaderBytes = 1024;

/** VHD 1.0, "Dynamic Disk Header Format". */
export const dynamicHeaderTable = {
  cookie: { offset: 0, type: 'bytes', length: 8 },
  dataOffset: { offset: 8, type: 'u64be' },
  tableOffset: { offset: 16, type: 'u64be' },
  headerVersion: { offset: 24, type: 'u32be' },
  maxTableEntries: { offset: 28, type: 'u32be' },
  blockSize: { offset: 32, type: 'u32be' },
  checksum: { offset: 36, type: 'u32be' },
  parentUniqueId: { offset: 40, type: 'bytes', length: 16 },
  parentTimeStamp: { offset: 56, type: 'u32be' },
  parentUnicodeName: { offset: 64, type: 'bytes', length: 512 },
} as const satisfies Record<string, Field>;

/** The same section, "Parent Locator Entry"; the header has eight. */
export const parentLocatorTable = {
  platformCode: { offset: 0, type: 'bytes', length: 4 },
  platformDataSpace: { offset: 4, type: 'u32be' },
  platformDataLength: { offset: 8, type: 'u32be' },
  reserved: { offset: 12, type: 'u32be' },
  platformDataOffset: { offset: 16, type: 'u64be' },
} as const satisfies Record<string, Field>;

export const parentLocatorsOffset = 576;
export const parentLocatorBytes = 24;
export const parentLocatorCount = 8;

export type DynamicHeaderValues = StructureValues<typeof dynamicHeaderTable>;
export type ParentLocatorEntry = StructureValues<typeof parentLocatorTable>;

/** A header as it is stored, with its fields. Bytes that the tables do not name are kept as they are. */
export interface DynamicHeader {
  readonly bytes: Buffer;
  readonly values: DynamicHeaderValues;
  readonly locators: readonly ParentLocatorEntry[];
}

/** Where blocks are, as numbers that have been bounded. */
export interface BlockLayout {
  /** Of the BAT, in bytes from the file's start; a multiple of 512. */
  tableOffset: number;
  maxTableEntries: number;
  /** Bytes of a block's data; a power of two. */
  blockSize: number;
  /** Bytes of the sector bitmap that precedes the data, whole sectors. */
  bitmapBytes: number;
}

const cookie = 'cxsparse';
const headerVersion = 0x00010000;
/** Nothing larger is made by anyone, and the BAT of such a disk is 32 MiB: 4 TiB in blocks of 512 KiB. */
export const maxTableEntriesLimit = 2 ** 23;
const maxBlockSize = 2 ** 31;

export function decodeDynamicHeader(bytes: Buffer): DynamicHeader | Problem {
  const values = readStructure(bytes, dynamicHeaderTable);
  if (values.cookie.toString('latin1') !== cookie) {
    return { field: 'Dynamic Disk Header: Cookie', problem: 'there is no dynamic disk header' };
  }
  if (values.checksum !== checksumOf(bytes, dynamicHeaderTable.checksum)) {
    return { field: 'Dynamic Disk Header: Checksum', problem: 'the checksum of the dynamic disk header is wrong' };
  }
  return asHeader(bytes);
}

/** A header for a new disk, without a parent. */
export function newDynamicHeader(layout: Omit<BlockLayout, 'bitmapBytes'>): DynamicHeader {
  const bytes = Buffer.alloc(dynamicHeaderBytes);
  return sealed(bytes, {
    cookie: Buffer.from(cookie, 'latin1'),
    dataOffset: 0xffffffffffffffffn,
    tableOffset: BigInt(layout.tableOffset),
    headerVersion,
    maxTableEntries: layout.maxTableEntries,
    blockSize: layout.blockSize,
  });
}

/** A header with some fields changed and the checksum made right. */
export function changedDynamicHeader(
  header: DynamicHeader,
  changes: Partial<Omit<DynamicHeaderValues, 'checksum'>>,
  locators: readonly ParentLocatorEntry[] = header.locators,
): DynamicHeader {
  const bytes = Buffer.from(header.bytes);
  bytes.fill(0, parentLocatorsOffset, parentLocatorsOffset + parentLocatorCount * parentLocatorBytes);
  locators.forEach((locator, index) => {
    writeStructure(bytes, parentLocatorTable, locator, parentLocatorsOffset + index * parentLocatorBytes);
  });
  return sealed(bytes, changes);
}

/** @throws ImageDamaged, UnsupportedDisk when the fields cannot be those of a disk of this size in a file of this size */
export function blockLayout(
  { values }: DynamicHeader,
  headerOffset: number,
  diskBytes: number,
  fileBytes: number,
  path: string,
): BlockLayout {
  const { blockSize } = values;
  if (blockSize < sectorBytes || blockSize > maxBlockSize || (blockSize & (blockSize - 1)) !== 0) {
    throw damagedField(path, 'Block Size', `it is ${blockSize}, and must be a power of two of at least ${sectorBytes}`);
  }
  const maxTableEntries = boundedNumber(
    values.maxTableEntries,
    { min: Math.ceil(diskBytes / blockSize), max: maxTableEntriesLimit },
    'Max Table Entries',
    path,
  );
  const tableOffset = boundedNumber(
    values.tableOffset,
    { min: footerBytes, max: fileBytes - maxTableEntries * 4 },
    'Table Offset',
    path,
  );
  if (tableOffset % sectorBytes !== 0) {
    throw damagedField(path, 'Table Offset', `it is ${tableOffset}, and must be a multiple of ${sectorBytes}`);
  }
  if (tableOffset < headerOffset + dynamicHeaderBytes && tableOffset + maxTableEntries * 4 > headerOffset) {
    throw damagedField(path, 'Table Offset', `it is ${tableOffset}, where the dynamic disk header is`);
  }
  return { tableOffset, maxTableEntries, blockSize, bitmapBytes: bitmapBytesOf(blockSize) };
}

/** "Block Allocation Table and Data Blocks": one bit for each sector, padded to whole sectors. */
export function bitmapBytesOf(blockSize: number): number {
  return Math.ceil(blockSize / sectorBytes / 8 / sectorBytes) * sectorBytes;
}

/** Bytes that a disk's BAT takes, whole sectors. */
export function tableBytesOf(maxTableEntries: number): number {
  return Math.ceil((maxTableEntries * 4) / sectorBytes) * sectorBytes;
}

/** The largest disk that a block size allows. */
export function maxDiskBytesOf(blockSize: number): number {
  return Math.min(maxDiskBytes, maxTableEntriesLimit * blockSize);
}

function sealed(bytes: Buffer, changes: Partial<DynamicHeaderValues>): DynamicHeader {
  writeStructure(bytes, dynamicHeaderTable, changes);
  writeField(bytes, dynamicHeaderTable.checksum, checksumOf(bytes, dynamicHeaderTable.checksum));
  return asHeader(bytes);
}

function asHeader(bytes: Buffer): DynamicHeader {
  const locators = Array.from({ length: parentLocatorCount }, (_, index) =>
    readStructure(bytes, parentLocatorTable, parentLocatorsOffset + index * parentLocatorBytes),
  );
  return { bytes, values: readStructure(bytes, dynamicHeaderTable), locators };
}
