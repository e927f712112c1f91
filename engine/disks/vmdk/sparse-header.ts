import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import { boundedNumber, damagedField, readStructure, type StructureValues } from '../structure.ts';
import { readExactly } from './exact-read.ts';
import {
  compressionDeflate,
  cowdEntriesPerTable,
  cowdHeader,
  cowdMagic,
  endLineChars,
  entryBytes,
  gdAtEnd,
  knownSparseFlags,
  marker,
  markerType,
  sectorBytes,
  sparseExtentHeader,
  sparseFlag,
  sparseMagic,
  sparseVersions,
} from './structures.ts';

/** Where everything is in one sparse extent. In bytes, but for counts; checked against the file. */
export interface SparseGeometry {
  capacityBytes: number;
  grainBytes: number;
  entriesPerTable: number;
  /** Entries of the grain directory. */
  tableCount: number;
  gdOffset: number;
  /** The redundant grain directory, where there is one. */
  rgdOffset: number | undefined;
  /** Metadata at the file's start; grains follow. */
  overHeadBytes: number;
  hasZeroedGrains: boolean;
  isCompressed: boolean;
  hasMarkers: boolean;
  isUnclean: boolean;
  version: number;
  /** The embedded descriptor; undefined for an extent that belongs to a descriptor file. */
  descriptor: { offset: number; length: number } | undefined;
}

/** 64 TiB, in sectors: more than VMware makes, and far below where numbers stop to be exact. */
const largestCapacity = 2 ** 37;
const largestGrain = 32768;
/** A compressed grain has to be held whole. */
const largestCompressedGrain = 4096;
const smallestGrain = 8;
const mostEntriesPerTable = 512;
/** Sectors; 1 MiB. */
const largestDescriptor = 2048;
/** Footer marker, footer, end-of-stream marker. */
const streamEndBytes = 3 * sectorBytes;

/**
 * Reads the header of a sparse extent, hosted or of ESX Server.
 * @returns undefined for a hosted one with capacity 0, which only carries a descriptor
 * @throws NotADiskImage, ImageDamaged, UnsupportedDisk
 */
export async function readSparseHeader(file: DiskFile): Promise<SparseGeometry | undefined> {
  const header = Buffer.alloc(sectorBytes);
  await readExactly(file, header, 0, 'SparseExtentHeader');
  const magic = readStructure(header, { magicNumber: sparseExtentHeader.magicNumber }).magicNumber;
  if (magic === cowdMagic) {
    return cowdGeometry(file, header);
  }
  if (magic !== sparseMagic) {
    throw new CheckpointError('NotADiskImage', `The file ${file.path} is not a sparse extent of a VMDK.`, {
      path: file.path,
      field: 'magicNumber',
    });
  }
  const first = readStructure(header, sparseExtentHeader);
  if (first.capacity === 0n) {
    return undefined;
  }
  const values = first.gdOffset === gdAtEnd ? await readFooter(file) : first;
  return hostedGeometry(file, values);
}

/** The embedded descriptor's place in a file that has nothing else: capacity 0. */
export async function readDescriptorPlace(file: DiskFile): Promise<SparseGeometry['descriptor']> {
  const header = Buffer.alloc(sectorBytes);
  await readExactly(file, header, 0, 'SparseExtentHeader');
  return descriptorPlace(file.path, readStructure(header, sparseExtentHeader));
}

async function readFooter(file: DiskFile): Promise<StructureValues<typeof sparseExtentHeader>> {
  const end = Buffer.alloc(streamEndBytes);
  const size = await file.size();
  if (size < sectorBytes + streamEndBytes) {
    throw damagedField(file.path, 'footer', 'the file is too short to have one');
  }
  await readExactly(file, end, size - streamEndBytes, 'footer');
  const before = readStructure(end, marker);
  const values = readStructure(end, sparseExtentHeader, sectorBytes);
  const after = readStructure(end, marker, 2 * sectorBytes);
  const isFooter = before.size === 0 && before.type === markerType.footer && values.magicNumber === sparseMagic;
  const isEnd = after.value === 0n && after.size === 0 && after.type === markerType.endOfStream;
  if (!isFooter || !isEnd || values.gdOffset === gdAtEnd) {
    throw damagedField(file.path, 'footer', 'the stream does not end with one; perhaps the copy was cut short');
  }
  return values;
}

async function hostedGeometry(
  file: DiskFile,
  values: StructureValues<typeof sparseExtentHeader>,
): Promise<SparseGeometry> {
  const { path } = file;
  const fileBytes = await file.size();
  requireUnderstood(path, values);
  const isCompressed = (values.flags & sparseFlag.compressed) !== 0;
  const grainSize = boundedNumber(
    values.grainSize,
    { min: smallestGrain, max: isCompressed ? largestCompressedGrain : largestGrain },
    'grainSize',
    path,
  );
  requirePowerOfTwo(path, grainSize);
  const entriesPerTable = boundedNumber(
    values.numGTEsPerGT,
    { min: 1, max: mostEntriesPerTable },
    'numGTEsPerGT',
    path,
  );
  const capacity = boundedNumber(values.capacity, { min: 1, max: largestCapacity }, 'capacity', path);
  const tableCount = Math.ceil(capacity / (grainSize * entriesPerTable));
  const hasRedundant = (values.flags & sparseFlag.redundantGrainTable) !== 0 && values.rgdOffset !== 0n;
  return {
    capacityBytes: capacity * sectorBytes,
    grainBytes: grainSize * sectorBytes,
    entriesPerTable,
    tableCount,
    gdOffset: directoryOffset(path, values.gdOffset, tableCount, fileBytes, 'gdOffset'),
    rgdOffset: hasRedundant ? directoryOffset(path, values.rgdOffset, tableCount, fileBytes, 'rgdOffset') : undefined,
    overHeadBytes:
      boundedNumber(values.overHead, { max: Math.floor(fileBytes / sectorBytes) }, 'overHead', path) * sectorBytes,
    hasZeroedGrains: (values.flags & sparseFlag.zeroedGrain) !== 0,
    isCompressed,
    hasMarkers: (values.flags & sparseFlag.markers) !== 0,
    isUnclean: values.uncleanShutdown !== 0,
    version: values.version,
    descriptor: descriptorPlace(path, values),
  };
}

function requireUnderstood(path: string, values: StructureValues<typeof sparseExtentHeader>): void {
  if (values.version < sparseVersions.min || values.version > sparseVersions.max) {
    throw unsupported(path, 'version', `version ${values.version} is not known`);
  }
  if ((values.flags & ~knownSparseFlags) !== 0) {
    throw unsupported(path, 'flags', `flags ${values.flags} are not all known`);
  }
  if ((values.flags & sparseFlag.validNewLineTest) !== 0 && !values.endLineChars.equals(endLineChars)) {
    throw damagedField(path, 'singleEndLineChar', 'line ends were changed; it was transferred as text');
  }
  const isCompressed = (values.flags & sparseFlag.compressed) !== 0;
  if (isCompressed !== (values.compressAlgorithm === compressionDeflate) || values.compressAlgorithm > 1) {
    throw unsupported(path, 'compressAlgorithm', `compression ${values.compressAlgorithm} is not known`);
  }
}

async function cowdGeometry(file: DiskFile, header: Buffer): Promise<SparseGeometry> {
  const { path } = file;
  const fileBytes = await file.size();
  const values = readStructure(header, cowdHeader);
  if (values.version !== 1) {
    throw unsupported(path, 'version', `version ${values.version} of an ESX Server sparse extent is not known`);
  }
  const grainSize = boundedNumber(values.grainSize, { min: 1, max: largestGrain }, 'grainSize', path);
  requirePowerOfTwo(path, grainSize);
  const capacity = boundedNumber(values.numSectors, { min: 1, max: largestCapacity }, 'numSectors', path);
  const tableCount = Math.ceil(capacity / (grainSize * cowdEntriesPerTable));
  boundedNumber(values.numGDEntries, { min: tableCount, max: 0xffffffff }, 'numGDEntries', path);
  return {
    capacityBytes: capacity * sectorBytes,
    grainBytes: grainSize * sectorBytes,
    entriesPerTable: cowdEntriesPerTable,
    tableCount,
    gdOffset: directoryOffset(path, BigInt(values.gdOffset), tableCount, fileBytes, 'gdOffset'),
    rgdOffset: undefined,
    overHeadBytes: 0,
    hasZeroedGrains: false,
    isCompressed: false,
    hasMarkers: false,
    isUnclean: false,
    version: values.version,
    descriptor: undefined,
  };
}

function directoryOffset(path: string, sector: bigint, tableCount: number, fileBytes: number, field: string): number {
  const directorySectors = Math.ceil((tableCount * entryBytes) / sectorBytes);
  const last = Math.floor(fileBytes / sectorBytes) - directorySectors;
  if (last < 1) {
    throw damagedField(path, field, `the grain directory has ${tableCount} entries, which the file cannot hold`);
  }
  return boundedNumber(sector, { min: 1, max: last }, field, path) * sectorBytes;
}

function descriptorPlace(
  path: string,
  { descriptorOffset, descriptorSize }: StructureValues<typeof sparseExtentHeader>,
): SparseGeometry['descriptor'] {
  if (descriptorOffset === 0n) {
    return undefined;
  }
  return {
    offset: boundedNumber(descriptorOffset, { min: 1, max: 2 ** 32 }, 'descriptorOffset', path) * sectorBytes,
    length: boundedNumber(descriptorSize, { min: 1, max: largestDescriptor }, 'descriptorSize', path) * sectorBytes,
  };
}

function requirePowerOfTwo(path: string, grainSize: number): void {
  if ((grainSize & (grainSize - 1)) !== 0) {
    throw damagedField(path, 'grainSize', `it is ${grainSize}, and must be a power of two`);
  }
}

function unsupported(path: string, field: string, problem: string): CheckpointError {
  return new CheckpointError('UnsupportedDisk', `The disk ${path} cannot be used: ${problem}.`, {
    path,
    field,
    problem,
  });
}
