/** On-disk structures of VHDX ([MS-VHDX] v20240423), by the specification's field names. All numbers are little-endian. */

export const kibibyte = 1024;
export const mebibyte = 1024 * 1024;
/** Most that a virtual disk may hold (2.6.2.2). */
export const largestDiskBytes = 64 * 1024 ** 4;
/** Regions, the log and blocks lie behind the header section, on multiples of this (2.2). */
export const alignmentBytes = mebibyte;
export const headerSectionBytes = mebibyte;

export const zeroGuid = '00000000-0000-0000-0000-000000000000';

/** 2.2.1 */
export const fileTypeIdentifier = {
  Signature: { offset: 0, type: 'bytes', length: 8 },
  Creator: { offset: 8, type: 'bytes', length: 512 },
} as const;
export const fileTypeIdentifierSignature = 'vhdxfile';

/** 2.2.2 */
export const header = {
  Signature: { offset: 0, type: 'u32le' },
  Checksum: { offset: 4, type: 'u32le' },
  SequenceNumber: { offset: 8, type: 'u64le' },
  FileWriteGuid: { offset: 16, type: 'guid' },
  DataWriteGuid: { offset: 32, type: 'guid' },
  LogGuid: { offset: 48, type: 'guid' },
  LogVersion: { offset: 64, type: 'u16le' },
  Version: { offset: 66, type: 'u16le' },
  LogLength: { offset: 68, type: 'u32le' },
  LogOffset: { offset: 72, type: 'u64le' },
} as const;
export const headerSignature = 0x64616568;
export const headerBytes = 4 * kibibyte;
export const headerOffsets = [64 * kibibyte, 128 * kibibyte] as const;

/** 2.2.3.1 */
export const regionTableHeader = {
  Signature: { offset: 0, type: 'u32le' },
  Checksum: { offset: 4, type: 'u32le' },
  EntryCount: { offset: 8, type: 'u32le' },
  Reserved: { offset: 12, type: 'u32le' },
} as const;
export const regionTableSignature = 0x69676572;
export const regionTableBytes = 64 * kibibyte;
export const regionTableOffsets = [192 * kibibyte, 256 * kibibyte] as const;
export const regionTableHeaderBytes = 16;

/** 2.2.3.2 */
export const regionTableEntry = {
  Guid: { offset: 0, type: 'guid' },
  FileOffset: { offset: 16, type: 'u64le' },
  Length: { offset: 24, type: 'u32le' },
  Required: { offset: 28, type: 'u32le' },
} as const;
export const regionTableEntryBytes = 32;
export const mostTableEntries = 2047;

export const batRegionGuid = '2dc27766-f623-4200-9d64-115e9bfd4a08';
export const metadataRegionGuid = '8b7ca206-4790-4b9a-b8fe-575f050f886e';

/** 2.3.1.1 */
export const logEntryHeader = {
  Signature: { offset: 0, type: 'u32le' },
  Checksum: { offset: 4, type: 'u32le' },
  EntryLength: { offset: 8, type: 'u32le' },
  Tail: { offset: 12, type: 'u32le' },
  SequenceNumber: { offset: 16, type: 'u64le' },
  DescriptorCount: { offset: 24, type: 'u32le' },
  Reserved: { offset: 28, type: 'u32le' },
  LogGuid: { offset: 32, type: 'guid' },
  FlushedFileOffset: { offset: 48, type: 'u64le' },
  LastFileOffset: { offset: 56, type: 'u64le' },
} as const;
export const logEntrySignature = 0x65676f6c;
export const logEntryHeaderBytes = 64;
/** The log's unit: entries are made of these, and each data descriptor rewrites one of them. */
export const logSectorBytes = 4 * kibibyte;

/** 2.3.1.2 */
export const zeroDescriptor = {
  ZeroSignature: { offset: 0, type: 'u32le' },
  Reserved: { offset: 4, type: 'u32le' },
  ZeroLength: { offset: 8, type: 'u64le' },
  FileOffset: { offset: 16, type: 'u64le' },
  SequenceNumber: { offset: 24, type: 'u64le' },
} as const;
export const zeroDescriptorSignature = 0x6f72657a;

/** 2.3.1.3 */
export const dataDescriptor = {
  DataSignature: { offset: 0, type: 'u32le' },
  TrailingBytes: { offset: 4, type: 'bytes', length: 4 },
  LeadingBytes: { offset: 8, type: 'bytes', length: 8 },
  FileOffset: { offset: 16, type: 'u64le' },
  SequenceNumber: { offset: 24, type: 'u64le' },
} as const;
export const dataDescriptorSignature = 0x63736564;
export const descriptorBytes = 32;

/** 2.3.1.4 */
export const dataSector = {
  DataSignature: { offset: 0, type: 'u32le' },
  SequenceHigh: { offset: 4, type: 'u32le' },
  Data: { offset: 8, type: 'bytes', length: 4084 },
  SequenceLow: { offset: 4092, type: 'u32le' },
} as const;
export const dataSectorSignature = 0x61746164;

/** 2.6.1.1 */
export const metadataTableHeader = {
  Signature: { offset: 0, type: 'bytes', length: 8 },
  Reserved: { offset: 8, type: 'u16le' },
  EntryCount: { offset: 10, type: 'u16le' },
} as const;
export const metadataTableSignature = 'metadata';
export const metadataTableBytes = 64 * kibibyte;
export const metadataTableHeaderBytes = 32;

/** 2.6.1.2; the flags are bits of one field. */
export const metadataTableEntry = {
  ItemId: { offset: 0, type: 'guid' },
  Offset: { offset: 16, type: 'u32le' },
  Length: { offset: 20, type: 'u32le' },
  Flags: { offset: 24, type: 'u32le' },
  Reserved2: { offset: 28, type: 'u32le' },
} as const;
export const metadataTableEntryBytes = 32;
export const metadataFlag = { IsUser: 1, IsVirtualDisk: 2, IsRequired: 4 } as const;
export const mostUserItems = 1024;
export const largestItemBytes = mebibyte;

/** 2.6.2 */
export const metadataItem = {
  FileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  VirtualDiskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  VirtualDiskId: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  LogicalSectorSize: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  PhysicalSectorSize: 'cda348c7-445d-4471-9cc9-e9885251c556',
  ParentLocator: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
} as const;

/** 2.6.2.1 */
export const fileParameters = {
  BlockSize: { offset: 0, type: 'u32le' },
  Flags: { offset: 4, type: 'u32le' },
} as const;
export const fileParametersBytes = 8;
export const fileParametersFlag = { LeaveBlockAllocated: 1, HasParent: 2 } as const;

/** 2.6.2.2 to 2.6.2.5: items of a single value. */
export const virtualDiskSize = { VirtualDiskSize: { offset: 0, type: 'u64le' } } as const;
export const virtualDiskId = { VirtualDiskId: { offset: 0, type: 'guid' } } as const;
export const logicalSectorSize = { LogicalSectorSize: { offset: 0, type: 'u32le' } } as const;
export const physicalSectorSize = { PhysicalSectorSize: { offset: 0, type: 'u32le' } } as const;

/** 2.6.2.6.1 */
export const parentLocatorHeader = {
  LocatorType: { offset: 0, type: 'guid' },
  Reserved: { offset: 16, type: 'u16le' },
  KeyValueCount: { offset: 18, type: 'u16le' },
} as const;
export const parentLocatorHeaderBytes = 20;

/** 2.6.2.6.2 */
export const parentLocatorEntry = {
  KeyOffset: { offset: 0, type: 'u32le' },
  ValueOffset: { offset: 4, type: 'u32le' },
  KeyLength: { offset: 8, type: 'u16le' },
  ValueLength: { offset: 10, type: 'u16le' },
} as const;
export const parentLocatorEntryBytes = 12;
/** 2.6.2.6.3 */
export const vhdxLocatorType = 'b04aefb7-d19e-4a81-b789-25b8e9445913';

/** Sector bitmap blocks are of one size, and each describes 2^23 sectors (2.4). */
export const sectorBitmapBlockBytes = mebibyte;
export const sectorsPerChunk = 2 ** 23;
export const smallestBlockBytes = mebibyte;
export const largestBlockBytes = 256 * mebibyte;

/** 2.5.1.1 */
export const payloadBlock = {
  notPresent: 0,
  undefined: 1,
  zero: 2,
  unmapped: 3,
  fullyPresent: 6,
  partiallyPresent: 7,
} as const;
/** 2.5.1.2 */
export const sectorBitmapBlock = { notPresent: 0, present: 6 } as const;
