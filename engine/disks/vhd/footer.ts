import { randomUUID } from 'node:crypto';
import { readStructure, writeField, writeStructure, type Field, type StructureValues } from '../structure.ts';
import { geometryOf, maxGeometrySectors } from './geometry.ts';

export const sectorBytes = 512;
export const footerBytes = 512;

/** 2040 GiB: the largest disk of the format, as Windows and QEMU have it. */
export const maxDiskBytes = 2040 * 2 ** 30;

/** VHD 1.0, "Hard Disk Footer Format". Every number is big-endian. */
export const footerTable = {
  cookie: { offset: 0, type: 'bytes', length: 8 },
  features: { offset: 8, type: 'u32be' },
  fileFormatVersion: { offset: 12, type: 'u32be' },
  dataOffset: { offset: 16, type: 'u64be' },
  timeStamp: { offset: 24, type: 'u32be' },
  creatorApplication: { offset: 28, type: 'bytes', length: 4 },
  creatorVersion: { offset: 32, type: 'u32be' },
  creatorHostOs: { offset: 36, type: 'bytes', length: 4 },
  originalSize: { offset: 40, type: 'u64be' },
  currentSize: { offset: 48, type: 'u64be' },
  cylinders: { offset: 56, type: 'u16be' },
  heads: { offset: 58, type: 'u8' },
  sectorsPerTrack: { offset: 59, type: 'u8' },
  diskType: { offset: 60, type: 'u32be' },
  checksum: { offset: 64, type: 'u32be' },
  uniqueId: { offset: 68, type: 'bytes', length: 16 },
  savedState: { offset: 84, type: 'u8' },
  /** Of XenServer; reserved in the specification. */
  hidden: { offset: 85, type: 'u8' },
} as const satisfies Record<string, Field>;

export type FooterValues = StructureValues<typeof footerTable>;

/** `diskType` by the names that the specification gives it. */
export const diskTypes = { fixed: 2, dynamic: 3, differencing: 4 } as const;

/** `dataOffset` of a fixed disk, which has no further structure. */
export const noDataOffset = 0xffffffffffffffffn;

const cookie = 'conectix';
const fileFormatVersion = 0x00010000;
const reservedFeature = 2;
/** 1 January 2000, 00:00:00 UTC, in seconds of the Unix epoch. */
const timeStampEpoch = 946684800;

/**
 * What new footers are signed with. Readers choose by the creator whether the size is `currentSize` or the geometry's
 * product (see {@link diskSizeBytes}); with a name of our own QEMU would take the geometry and cut the disk's end off.
 */
const creator = { application: 'win ', version: 0x000a0000, hostOs: 'Wi2k' };

/** Creators whose disks have the size of their geometry, whatever `currentSize` says. */
const creatorsByGeometry = ['vpc ', 'vs  ', 'qemu'];

/** A footer as it is stored, 512 bytes, with its fields. Bytes that the table does not name are kept as they are. */
export interface Footer {
  readonly bytes: Buffer;
  readonly values: FooterValues;
}

/** Why a structure is not to be believed. */
export interface Problem {
  field: string;
  problem: string;
}

/** "Checksum": one's complement of the sum of all bytes but the checksum's own. */
export function checksumOf(bytes: Buffer, field: Field): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at++) {
    sum += at >= field.offset && at < field.offset + 4 ? 0 : (bytes[at] ?? 0);
  }
  return ~sum >>> 0;
}

/** @param bytes 512, or 511 as Virtual PC wrote them before 2004 */
export function decodeFooter(bytes: Buffer): Footer | Problem {
  const whole = Buffer.alloc(footerBytes);
  bytes.copy(whole);
  const values = readStructure(whole, footerTable);
  if (values.cookie.toString('latin1') !== cookie) {
    return { field: 'Cookie', problem: 'there is no hard disk footer' };
  }
  const sum = checksumOf(whole, footerTable.checksum);
  if (values.checksum !== sum && values.checksum !== sum + hiddenOf(values)) {
    return { field: 'Checksum', problem: 'the checksum of the hard disk footer is wrong' };
  }
  return { bytes: whole, values };
}

/**
 * What the mark of a hidden disk adds to the checksum: early XenServer tools set it, in the byte behind `savedState`,
 * and left the checksum as it was.
 */
function hiddenOf({ creatorApplication, hidden }: FooterValues): number {
  return creatorApplication.toString('latin1') === 'tap\0' ? hidden : 0;
}

/** A footer with some fields changed and the checksum made right. */
export function changedFooter(footer: Footer, changes: Partial<Omit<FooterValues, 'checksum'>>): Footer {
  return sealed(Buffer.from(footer.bytes), changes);
}

/** A footer for a new disk, with a unique id of its own. */
export function newFooter(diskType: number, sizeBytes: number, dataOffset: bigint): Footer {
  return sealed(Buffer.alloc(footerBytes), {
    cookie: Buffer.from(cookie, 'latin1'),
    features: reservedFeature,
    fileFormatVersion,
    dataOffset,
    timeStamp: Math.max(0, Math.floor(Date.now() / 1000) - timeStampEpoch) % 2 ** 32,
    originalSize: BigInt(sizeBytes),
    ...ofSize(sizeBytes),
    diskType,
    uniqueId: uniqueIdBytes(randomUUID()),
  });
}

/** The fields that give a disk exactly this size, for every reader that looks at the creator. */
export function ofSize(sizeBytes: number): Partial<FooterValues> {
  return {
    creatorApplication: Buffer.from(creator.application, 'latin1'),
    creatorVersion: creator.version,
    creatorHostOs: Buffer.from(creator.hostOs, 'latin1'),
    currentSize: BigInt(sizeBytes),
    ...geometryOf(sizeBytes / sectorBytes),
  };
}

/**
 * The guest-visible size. Virtual PC and Virtual Server show a disk of the geometry's size, and QEMU rounds its own to it;
 * Windows, Hyper-V, disk2vhd, Azure and others go by `currentSize`. A geometry at its maximum says nothing.
 * @returns bytes, a multiple of 512; not bounded yet
 */
export function diskSizeBytes(values: FooterValues): bigint {
  const chsSectors = values.cylinders * values.heads * values.sectorsPerTrack;
  const isByGeometry = creatorsByGeometry.includes(values.creatorApplication.toString('latin1'));
  if (isByGeometry && chsSectors > 0 && chsSectors < maxGeometrySectors) {
    return BigInt(chsSectors) * BigInt(sectorBytes);
  }
  return (values.currentSize / BigInt(sectorBytes)) * BigInt(sectorBytes);
}

/** A unique id as text, in the order of its bytes. */
export function uniqueIdText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export function uniqueIdBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}

/** What tells a disk from every other, for its children: its unique id alone. */
export function vhdIdentity({ values }: Footer): Record<string, string> {
  return { unique_id: uniqueIdText(values.uniqueId) };
}

/** Facts of a footer for `info`. */
export function footerDetails({ values }: Footer): Record<string, string | number | boolean> {
  const names: Record<number, string> = { 2: 'fixed', 3: 'dynamic', 4: 'differencing' };
  return {
    disk_type: names[values.diskType] ?? values.diskType,
    creator_application: printable(values.creatorApplication),
    creator_version: `${values.creatorVersion >>> 16}.${values.creatorVersion & 0xffff}`,
    creator_host_os: printable(values.creatorHostOs),
    time_stamp: new Date((values.timeStamp + timeStampEpoch) * 1000).toISOString(),
    original_size: Number(values.originalSize),
    current_size: Number(values.currentSize),
    disk_geometry: `${values.cylinders}/${values.heads}/${values.sectorsPerTrack}`,
    saved_state: values.savedState !== 0,
  };
}

function sealed(bytes: Buffer, changes: Partial<FooterValues>): Footer {
  writeStructure(bytes, footerTable, changes);
  writeField(bytes, footerTable.checksum, checksumOf(bytes, footerTable.checksum));
  return { bytes, values: readStructure(bytes, footerTable) };
}

function printable(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/[^ -~]/g, '');
}
