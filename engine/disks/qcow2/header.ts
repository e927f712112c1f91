import type { FileHandle } from 'node:fs/promises';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { boundedNumber, damagedField, readStructure, type StructureTable, type StructureValues } from '../structure.ts';
import { extensionType, findExtension, readExtensions, type HeaderExtension } from './header-extensions.ts';

/** QEMU docs/interop/qcow2, section "Header": what both versions have. */
export const headerTable = {
  magic: { offset: 0, type: 'u32be' },
  version: { offset: 4, type: 'u32be' },
  backingFileOffset: { offset: 8, type: 'u64be' },
  backingFileSize: { offset: 16, type: 'u32be' },
  clusterBits: { offset: 20, type: 'u32be' },
  size: { offset: 24, type: 'u64be' },
  cryptMethod: { offset: 32, type: 'u32be' },
  l1Size: { offset: 36, type: 'u32be' },
  l1TableOffset: { offset: 40, type: 'u64be' },
  refcountTableOffset: { offset: 48, type: 'u64be' },
  refcountTableClusters: { offset: 56, type: 'u32be' },
  nbSnapshots: { offset: 60, type: 'u32be' },
  snapshotsOffset: { offset: 64, type: 'u64be' },
} as const satisfies StructureTable;

/** Same section: what version 3 adds. */
export const headerTableV3 = {
  incompatibleFeatures: { offset: 72, type: 'u64be' },
  compatibleFeatures: { offset: 80, type: 'u64be' },
  autoclearFeatures: { offset: 88, type: 'u64be' },
  refcountOrder: { offset: 96, type: 'u32be' },
  headerLength: { offset: 100, type: 'u32be' },
} as const satisfies StructureTable;

/** Section "Additional fields": there when `header_length` reaches beyond it. */
export const compressionTypeField = { offset: 104, type: 'u8' } as const;

export const qcow2Magic = 0x514649fb;
export const headerLengthV2 = 72;
export const headerLengthV3 = 104;
/** With compression_type and its padding. */
export const headerLengthWithCompressionType = 112;

/** Bits of `incompatible_features`. */
export const incompatible = {
  dirty: 1n << 0n,
  corrupt: 1n << 1n,
  externalDataFile: 1n << 2n,
  compressionType: 1n << 3n,
  extendedL2: 1n << 4n,
} as const;
const knownIncompatibleBits = 0b11111n;

/** Bit of `compatible_features`. */
export const compatible = { lazyRefcounts: 1n << 0n } as const;

/** Bits of `autoclear_features`. */
export const autoclear = { bitmaps: 1n << 0n, rawExternalData: 1n << 1n } as const;

/** Values of `compression_type`. */
export type CompressionType = 'deflate' | 'zstd';

/** A header that has been checked as far as that goes without the rest of the file. Offsets and sizes in bytes. */
export interface Qcow2Header {
  version: 2 | 3;
  clusterBits: number;
  clusterSize: number;
  virtualSizeBytes: number;
  l1Size: number;
  l1TableOffset: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
  nbSnapshots: number;
  snapshotsOffset: number;
  incompatibleFeatures: bigint;
  compatibleFeatures: bigint;
  autoclearFeatures: bigint;
  refcountOrder: number;
  headerLength: number;
  compressionType: CompressionType;
  extensions: HeaderExtension[];
  backingFileOffset: number;
  /** As the image names it. */
  backingFile?: string;
  /** Such as `qcow2` or `raw`. */
  backingFormat?: string;
  hasExternalDataFile: boolean;
}

/** Limits that QEMU has as well ("Header", notes). */
const clusterBitsLimits = { min: 9, max: 21 };
const clusterBitsWithSubclusters = 14;
const longestL1TableBytes = 32 * 1024 * 1024;
const longestRefcountTableBytes = 8 * 1024 * 1024;
const mostSnapshots = 65536;
const longestBackingFile = 1023;

/** Enough for the header and its extensions in nearly every image, so that one read does. */
const usualHeaderBytes = 4096;

/** Fills a buffer from an offset of the image; as DiskFile.read. */
export type ReadAt = (buffer: Buffer, offset: number) => Promise<number>;

/**
 * Reads the header and its extensions through a Node file handle.
 * @throws UnsupportedDisk, ImageDamaged
 */
export async function readQcow2Header(handle: FileHandle, path: string): Promise<Qcow2Header> {
  const header = await readHeader(
    async (buffer, offset) => (await handle.read(buffer, 0, buffer.length, offset)).bytesRead,
    path,
  );
  refuseCorrupt(header, path);
  return header;
}

/**
 * To be called before anything is written to an image (section "Header", corrupt bit): it may still be read.
 * @throws ImageDamaged
 */
export function refuseCorrupt(header: Qcow2Header, path: string): void {
  if ((header.incompatibleFeatures & incompatible.corrupt) !== 0n) {
    throw damagedField(
      path,
      'incompatible_features',
      'the image is marked corrupt, so that it may be read and not written. What is in it can be saved: ckpt disk convert',
    );
  }
}

/**
 * Reads the header, its extensions and the backing file's name, all of which lie in the first cluster.
 * @throws UnsupportedDisk, ImageDamaged
 */
export async function readHeader(readAt: ReadAt, path: string): Promise<Qcow2Header> {
  const start = await readStart(readAt, usualHeaderBytes);
  const fields = readFields(start, path);
  const clusterSize = 2 ** fields.clusterBits;
  const isWhole = start.length < usualHeaderBytes || clusterSize <= usualHeaderBytes;
  const head = isWhole || fitsUsual(start, fields) ? start : await readStart(readAt, clusterSize);
  return parseHeader(head.subarray(0, clusterSize), fields, path);
}

async function readStart(readAt: ReadAt, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, await readAt(buffer, 0));
}

type HeaderFields = StructureValues<typeof headerTable> & StructureValues<typeof headerTableV3>;

function readFields(head: Buffer, path: string): HeaderFields {
  if (head.length < headerLengthV2) {
    throw damagedField(path, 'header', 'the file ends inside it');
  }
  const common = readStructure(head, headerTable);
  if (common.magic !== qcow2Magic) {
    throw damagedField(path, 'magic', `it is 0x${common.magic.toString(16)}`);
  }
  if (common.version !== 2 && common.version !== 3) {
    throw unsupported(path, 'version', `it is qcow2 version ${common.version}; versions 2 and 3 are known`);
  }
  boundedNumber(common.clusterBits, clusterBitsLimits, 'cluster_bits', path);
  if (common.version === 2) {
    return {
      ...common,
      incompatibleFeatures: 0n,
      compatibleFeatures: 0n,
      autoclearFeatures: 0n,
      refcountOrder: 4,
      headerLength: headerLengthV2,
    };
  }
  if (head.length < headerLengthV3) {
    throw damagedField(path, 'header', 'the file ends inside it');
  }
  return { ...common, ...readStructure(head, headerTableV3) };
}

/** Whether extensions and name lie in what was read first. Where they do not, the whole cluster is read, damaged or not. */
function fitsUsual(start: Buffer, fields: HeaderFields): boolean {
  if (fields.backingFileOffset !== 0n) {
    return fields.backingFileOffset + BigInt(fields.backingFileSize) <= start.length;
  }
  let at = fields.headerLength;
  while (at + 8 <= start.length) {
    if (start.readUInt32BE(at) === extensionType.end) {
      return true;
    }
    at += 8 + Math.ceil(start.readUInt32BE(at + 4) / 8) * 8;
  }
  return false;
}

function parseHeader(head: Buffer, fields: HeaderFields, path: string): Qcow2Header {
  const version = fields.version === 2 ? 2 : 3;
  const clusterSize = 2 ** fields.clusterBits;
  const headerLength = boundedNumber(
    fields.headerLength,
    { min: version === 3 ? headerLengthV3 : headerLengthV2, max: clusterSize },
    'header_length',
    path,
  );
  if (headerLength % 8 !== 0) {
    throw damagedField(path, 'header_length', `it is ${headerLength}, and must be a multiple of 8`);
  }
  refuseFeatures(fields, path);
  const hasExternalDataFile = (fields.incompatibleFeatures & incompatible.externalDataFile) !== 0n;
  const backingFile = readBackingFile(head, fields, path);
  const backingFileOffset = backingFile === undefined ? 0 : Number(fields.backingFileOffset);
  const extensions = readExtensions(
    head,
    headerLength,
    backingFileOffset === 0 ? clusterSize : backingFileOffset,
    path,
  );
  const backingFormat = findExtension(extensions, extensionType.backingFormat)?.content.toString('utf8');
  if (backingFile !== undefined && (fields.autoclearFeatures & autoclear.rawExternalData) !== 0n) {
    throw damagedField(path, 'autoclear_features', 'a raw external data file and a backing file exclude each other');
  }
  return {
    version,
    clusterBits: fields.clusterBits,
    clusterSize,
    virtualSizeBytes: boundedNumber(fields.size, { max: Number.MAX_SAFE_INTEGER }, 'size', path),
    l1Size: boundedNumber(fields.l1Size, { max: longestL1TableBytes / 8 }, 'l1_size', path),
    l1TableOffset: fields.l1Size === 0 ? 0 : clusterOffset(fields.l1TableOffset, clusterSize, 'l1_table_offset', path),
    refcountTableOffset: clusterOffset(fields.refcountTableOffset, clusterSize, 'refcount_table_offset', path),
    refcountTableClusters: boundedNumber(
      fields.refcountTableClusters,
      { min: 1, max: Math.max(1, longestRefcountTableBytes / clusterSize) },
      'refcount_table_clusters',
      path,
    ),
    nbSnapshots: boundedNumber(fields.nbSnapshots, { max: mostSnapshots }, 'nb_snapshots', path),
    snapshotsOffset:
      fields.nbSnapshots === 0 ? 0 : clusterOffset(fields.snapshotsOffset, clusterSize, 'snapshots_offset', path),
    incompatibleFeatures: fields.incompatibleFeatures,
    compatibleFeatures: fields.compatibleFeatures,
    autoclearFeatures: fields.autoclearFeatures,
    refcountOrder: boundedNumber(fields.refcountOrder, { max: 6 }, 'refcount_order', path),
    headerLength,
    compressionType: readCompressionType(head, fields, headerLength, path),
    extensions,
    backingFileOffset,
    ...(backingFile === undefined ? {} : { backingFile }),
    ...(backingFormat === undefined ? {} : { backingFormat }),
    hasExternalDataFile,
  };
}

function refuseFeatures(fields: HeaderFields, path: string): void {
  if (fields.cryptMethod !== 0) {
    throw unsupported(path, 'crypt_method', 'it is encrypted. Decrypt it first');
  }
  const features = fields.incompatibleFeatures;
  if ((features & ~knownIncompatibleBits) !== 0n) {
    throw unsupported(
      path,
      'incompatible_features',
      `it uses qcow2 features that are not known here (0x${features.toString(16)})`,
    );
  }
  if ((features & incompatible.extendedL2) !== 0n && fields.clusterBits < clusterBitsWithSubclusters) {
    throw damagedField(
      path,
      'cluster_bits',
      `it is ${fields.clusterBits}, and extended L2 entries need at least ${clusterBitsWithSubclusters}`,
    );
  }
}

function readCompressionType(head: Buffer, fields: HeaderFields, headerLength: number, path: string): CompressionType {
  const value =
    headerLength > compressionTypeField.offset && head.length > compressionTypeField.offset
      ? head.readUInt8(compressionTypeField.offset)
      : 0;
  const isOther = (fields.incompatibleFeatures & incompatible.compressionType) !== 0n;
  if (isOther !== (value !== 0)) {
    throw damagedField(path, 'compression_type', `it is ${value}, and incompatible_features says otherwise`);
  }
  if (value > 1) {
    throw unsupported(path, 'compression_type', `its compression ${value} is not known here`);
  }
  return value === 1 ? 'zstd' : 'deflate';
}

function readBackingFile(head: Buffer, fields: HeaderFields, path: string): string | undefined {
  if (fields.backingFileOffset === 0n) {
    return undefined;
  }
  const length = boundedNumber(fields.backingFileSize, { min: 1, max: longestBackingFile }, 'backing_file_size', path);
  const offset = boundedNumber(
    fields.backingFileOffset,
    { min: fields.headerLength, max: head.length - length },
    'backing_file_offset',
    path,
  );
  const name = head.toString('utf8', offset, offset + length);
  if (name.includes('\0')) {
    throw damagedField(path, 'backing file name', 'it has a zero byte in it');
  }
  return name;
}

function clusterOffset(value: bigint, clusterSize: number, field: string, path: string): number {
  const offset = boundedNumber(value, { min: clusterSize, max: Number.MAX_SAFE_INTEGER }, field, path);
  if (offset % clusterSize !== 0) {
    throw damagedField(path, field, `it is ${offset}, and must be a multiple of the cluster size ${clusterSize}`);
  }
  return offset;
}

function unsupported(path: string, field: string, why: string): CheckpointError {
  return new CheckpointError('UnsupportedDisk', `The disk ${path} cannot be used: ${why}.`, { path, field });
}
