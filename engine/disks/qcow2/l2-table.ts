import { damagedField } from '../structure.ts';
import { subclustersPerCluster, type Geometry } from './geometry.ts';

/** Where a range of the guest's bytes has its content. `parent`: unallocated, so the backing file's or zeros. */
export type RunKind = 'data' | 'zero' | 'parent' | 'compressed';

/** Guest bytes that follow each other and have their content in one place. Lengths and offsets in bytes. */
export interface Run {
  kind: RunKind;
  length: number;
  /** `data`: where the run's first byte lies. `compressed`: where the cluster's compressed data begins. Otherwise 0. */
  hostOffset: number;
  /** `compressed` only: at most so long is the compressed data; it may end earlier. */
  compressedBytes: number;
  /** `data` only: nothing else refers to these clusters, so they may be written in place. */
  isCopied: boolean;
}

/** One L2 entry, decoded (sections "L2 table entry", "Standard Cluster Descriptor", "Extended L2 Entries"). */
export interface L2Entry {
  isCompressed: boolean;
  /** Bit 63: the host cluster's refcount is exactly one. */
  isCopied: boolean;
  /** Whether there is a host cluster; for an external data file its offset may be 0. */
  isAllocated: boolean;
  /** Standard clusters: the host cluster. Compressed ones: the first byte of the compressed data. */
  hostOffset: number;
  compressedBytes: number;
  /** Bit n: granule n has its data in the host cluster. Without subclusters there is one granule. */
  dataGranules: number;
  /** Bit n: granule n reads as zeros. */
  zeroGranules: number;
}

const compressedBit = 0x40000000;
const copiedBit = 0x80000000;
const zeroBit = 1;
const compressedSectorBytes = 512;
export const allGranules = 0xffffffff;

/** Bits 9–55 of an L1 or L2 entry: an offset in bytes, not exact beyond what a file can have. */
export function entryOffset(high: number, low: number): number {
  return (high & 0x00ffffff) * 2 ** 32 + ((low & 0xfffffe00) >>> 0);
}

export function isCopiedEntry(high: number): boolean {
  return (high & copiedBit) !== 0;
}

/** The high half of an L1 or L2 entry for an offset. */
export function entryHigh(offset: number, isCopied: boolean): number {
  return (Math.floor(offset / 2 ** 32) | (isCopied ? copiedBit : 0)) >>> 0;
}

export function entryLow(offset: number): number {
  return offset % 2 ** 32;
}

/** @throws ImageDamaged */
export function readL2Entry(table: Buffer, at: number, geometry: Geometry, path: string): L2Entry {
  const high = table.readUInt32BE(at);
  const low = table.readUInt32BE(at + 4);
  if ((high & compressedBit) !== 0) {
    return compressedEntry(high, low, geometry, path);
  }
  const hostOffset = entryOffset(high, low);
  const isCopied = isCopiedEntry(high);
  const isAllocated = hostOffset !== 0 || (isCopied && geometry.hasExternalDataFile);
  if (hostOffset % geometry.clusterSize !== 0) {
    throw damagedField(path, 'L2 table entry', `it leads to byte ${hostOffset}, where no cluster begins`);
  }
  let dataGranules: number;
  let zeroGranules: number;
  if (geometry.hasSubclusters) {
    dataGranules = table.readUInt32BE(at + 12);
    zeroGranules = table.readUInt32BE(at + 8);
    if ((dataGranules & zeroGranules) !== 0 || (dataGranules !== 0 && !isAllocated)) {
      throw damagedField(path, 'subcluster allocation bitmap', 'it contradicts itself or its cluster');
    }
  } else {
    const isZero = (low & zeroBit) !== 0;
    if (isZero && !geometry.hasZeroClusters) {
      throw damagedField(path, 'L2 table entry', 'it is a zero cluster, which version 2 does not have');
    }
    zeroGranules = isZero ? 1 : 0;
    dataGranules = isAllocated && !isZero ? 1 : 0;
  }
  return { isCompressed: false, isCopied, isAllocated, hostOffset, compressedBytes: 0, dataGranules, zeroGranules };
}

/** Section "Compressed Clusters Descriptor". */
function compressedEntry(high: number, low: number, geometry: Geometry, path: string): L2Entry {
  if (geometry.hasExternalDataFile) {
    throw damagedField(path, 'L2 table entry', 'it is compressed, which an external data file cannot be');
  }
  // The offset has x bits, of which those from 32 on lie in the high half.
  const highBits = 62 - (geometry.clusterBits - 8) - 32;
  const descriptor = high & 0x3fffffff;
  const hostOffset = (descriptor & (2 ** highBits - 1)) * 2 ** 32 + low;
  const additionalSectors = descriptor >>> highBits;
  const compressedBytes = (additionalSectors + 1) * compressedSectorBytes - (hostOffset % compressedSectorBytes);
  return {
    isCompressed: true,
    isCopied: false,
    isAllocated: true,
    hostOffset,
    compressedBytes,
    dataGranules: 0,
    zeroGranules: 0,
  };
}

/** Writes a standard cluster's entry. */
export function writeL2Entry(
  table: Buffer,
  at: number,
  entry: Pick<L2Entry, 'isCopied' | 'hostOffset' | 'dataGranules' | 'zeroGranules'>,
  geometry: Geometry,
): void {
  const isZero = !geometry.hasSubclusters && entry.zeroGranules !== 0;
  table.writeUInt32BE(entryHigh(entry.hostOffset, entry.isCopied), at);
  table.writeUInt32BE(entryLow(entry.hostOffset) + (isZero ? zeroBit : 0), at + 4);
  if (geometry.hasSubclusters) {
    table.writeUInt32BE(entry.zeroGranules >>> 0, at + 8);
    table.writeUInt32BE(entry.dataGranules >>> 0, at + 12);
  }
}

/**
 * The longest run that begins at a byte of the entry's cluster and stays within the part of the table that is given.
 * @param at the entry's place in `table`
 * @param within where in its cluster the run begins
 * @param most bytes; the run may come out longer
 * @throws ImageDamaged
 */
export function scanRun(
  table: Buffer,
  at: number,
  within: number,
  most: number,
  geometry: Geometry,
  path: string,
): Run {
  const { clusterSize, granuleSize, l2EntryBytes } = geometry;
  let run: Run | undefined;
  for (let entryAt = at, from = within; entryAt < table.length; entryAt += l2EntryBytes, from = 0) {
    const entry = readL2Entry(table, entryAt, geometry, path);
    if (entry.isCompressed) {
      return (
        run ?? {
          kind: 'compressed',
          length: clusterSize - from,
          hostOffset: entry.hostOffset,
          compressedBytes: entry.compressedBytes,
          isCopied: false,
        }
      );
    }
    while (from < clusterSize) {
      const granule = Math.floor(from / granuleSize);
      const kind = granuleKind(entry, granule);
      const length = endOfKind(entry, granule, kind, geometry) - from;
      if (run === undefined) {
        const hostOffset = kind === 'data' ? entry.hostOffset + from : 0;
        run = { kind, length, hostOffset, compressedBytes: 0, isCopied: entry.isCopied };
      } else if (
        kind === run.kind &&
        (kind !== 'data' ||
          (entry.hostOffset + from === run.hostOffset + run.length && entry.isCopied === run.isCopied))
      ) {
        run.length += length;
      } else {
        return run;
      }
      from += length;
      if (run.length >= most) {
        return run;
      }
    }
  }
  return run ?? { kind: 'parent', length: 0, hostOffset: 0, compressedBytes: 0, isCopied: false };
}

function granuleKind(entry: L2Entry, granule: number): RunKind {
  if (((entry.dataGranules >>> granule) & 1) !== 0) {
    return 'data';
  }
  return ((entry.zeroGranules >>> granule) & 1) !== 0 ? 'zero' : 'parent';
}

function endOfKind(entry: L2Entry, granule: number, kind: RunKind, geometry: Geometry): number {
  if (!geometry.hasSubclusters) {
    return geometry.clusterSize;
  }
  let end = granule + 1;
  while (end < subclustersPerCluster && granuleKind(entry, end) === kind) {
    end++;
  }
  return end * geometry.granuleSize;
}
