// On-disk structures of VMware's "Virtual Disk Format 5.0", little-endian, offsets and sizes in sectors of 512 bytes.

import type { StructureTable } from '../structure.ts';

export const sectorBytes = 512;

/** "Hosted Sparse Extents": SparseExtentHeader. */
export const sparseExtentHeader = {
  magicNumber: { offset: 0, type: 'u32le' },
  version: { offset: 4, type: 'u32le' },
  flags: { offset: 8, type: 'u32le' },
  capacity: { offset: 12, type: 'u64le' },
  grainSize: { offset: 20, type: 'u64le' },
  descriptorOffset: { offset: 28, type: 'u64le' },
  descriptorSize: { offset: 36, type: 'u64le' },
  numGTEsPerGT: { offset: 44, type: 'u32le' },
  rgdOffset: { offset: 48, type: 'u64le' },
  gdOffset: { offset: 56, type: 'u64le' },
  overHead: { offset: 64, type: 'u64le' },
  uncleanShutdown: { offset: 72, type: 'u8' },
  /** singleEndLineChar, nonEndLineChar, doubleEndLineChar1, doubleEndLineChar2. */
  endLineChars: { offset: 73, type: 'bytes', length: 4 },
  compressAlgorithm: { offset: 77, type: 'u16le' },
} as const satisfies StructureTable;
export const sparseMagic = 0x564d444b;
export const sparseVersions = { min: 1, max: 3 };

/** SparseExtentHeader.flags. */
export const sparseFlag = {
  validNewLineTest: 1,
  redundantGrainTable: 2,
  zeroedGrain: 4,
  compressed: 1 << 16,
  markers: 1 << 17,
} as const;
export const knownSparseFlags = 0x30007;

/** A transfer as text would have changed these. */
export const endLineChars: Buffer = Buffer.from('\n \r\n', 'latin1');

/** SparseExtentHeader.gdOffset of a stream: the footer knows. */
export const gdAtEnd = 0xffffffffffffffffn;
export const compressionDeflate = 1;

/** A grain table entry, or a grain directory entry, that says zeros (with `zeroedGrain`). */
export const zeroedEntry = 1;
export const entryBytes = 4;

/** "Stream-Optimized Compressed Sparse Extents": Marker; a grain's data begins where `type` would be. */
export const marker = {
  /** Sectors that follow; for a grain its LBA. */
  value: { offset: 0, type: 'u64le' },
  /** Bytes of compressed data; 0 for what is not a grain. */
  size: { offset: 8, type: 'u32le' },
  type: { offset: 12, type: 'u32le' },
} as const satisfies StructureTable;
export const grainMarkerBytes = 12;
export const markerType = { endOfStream: 0, grainTable: 1, grainDirectory: 2, footer: 3 } as const;

/** "ESX Server Sparse Extents": COWDisk_Header, as far as it matters here. */
export const cowdHeader = {
  magicNumber: { offset: 0, type: 'u32le' },
  version: { offset: 4, type: 'u32le' },
  flags: { offset: 8, type: 'u32le' },
  numSectors: { offset: 12, type: 'u32le' },
  grainSize: { offset: 16, type: 'u32le' },
  gdOffset: { offset: 20, type: 'u32le' },
  numGDEntries: { offset: 24, type: 'u32le' },
  freeSector: { offset: 28, type: 'u32le' },
} as const satisfies StructureTable;
export const cowdMagic = 0x44574f43;
/** "Each grain table has 4096 entries." */
export const cowdEntriesPerTable = 4096;
