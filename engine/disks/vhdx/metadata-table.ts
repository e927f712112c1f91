import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { PiecesRead } from '../pieces-read.ts';
import { damagedField, boundedNumber, readField, readStructure, writeField, writeStructure } from '../structure.ts';
import type { FileRange } from './headers.ts';
import {
  fileParameters,
  fileParametersBytes,
  fileParametersFlag,
  largestBlockBytes,
  largestDiskBytes,
  largestItemBytes,
  logicalSectorSize,
  metadataFlag,
  metadataItem,
  metadataTableBytes,
  metadataTableEntry,
  metadataTableEntryBytes,
  metadataTableHeader,
  metadataTableHeaderBytes,
  metadataTableSignature,
  mostTableEntries,
  mostUserItems,
  physicalSectorSize,
  smallestBlockBytes,
  virtualDiskId,
  virtualDiskSize,
} from './structures.ts';

/** One item's place. */
export interface MetadataEntry {
  itemId: string;
  /** Bytes from the start of the metadata region. */
  offset: number;
  length: number;
  flags: number;
}

/** What the metadata region says ([MS-VHDX] 2.6). */
export interface Metadata {
  /** The region in the file. */
  region: FileRange;
  entries: MetadataEntry[];
  blockSizeBytes: number;
  leaveBlockAllocated: boolean;
  hasParent: boolean;
  virtualDiskSizeBytes: number;
  virtualDiskId: string;
  logicalSectorBytes: number;
  physicalSectorBytes: number;
  /** The parent locator as it lies in the file. */
  parentLocator: Buffer | undefined;
}

const knownItems: ReadonlySet<string> = new Set(Object.values(metadataItem));

/** So much of the table, and of the items behind it, is all that there is as a rule. */
const usualBytes = 4096;
/** Bytes from the start of the metadata region: where it is worth while to read before the table says so. */
export const usualMetadata: readonly FileRange[] = [
  { offset: 0, length: usualBytes },
  { offset: metadataTableBytes, length: usualBytes },
];

/** @throws ImageDamaged, naming the item; UnsupportedDisk for an unknown required one */
export async function readMetadata(file: PiecesRead, region: FileRange): Promise<Metadata> {
  const entries = await readEntries(file, region);
  const item = async (itemId: string, name: string, length?: number): Promise<Buffer> => {
    const entry = entries.find((each) => each.itemId === itemId && (each.flags & metadataFlag.IsUser) === 0);
    if (entry === undefined || (length !== undefined && entry.length !== length)) {
      const problem = entry === undefined ? 'it is missing' : `it is ${entry.length} bytes long`;
      throw damagedField(file.path, name, problem);
    }
    const bytes = await file.bytes(region.offset + entry.offset, entry.length);
    if (bytes.length !== entry.length) {
      throw damagedField(file.path, name, 'it lies beyond the end of the file');
    }
    return bytes;
  };

  const parameters = readStructure(
    await item(metadataItem.FileParameters, 'file parameters', fileParametersBytes),
    fileParameters,
  );
  const blockSizeBytes = boundedNumber(
    parameters.BlockSize,
    { min: smallestBlockBytes, max: largestBlockBytes },
    'BlockSize',
    file.path,
  );
  if ((blockSizeBytes & (blockSizeBytes - 1)) !== 0) {
    throw damagedField(file.path, 'BlockSize', `${blockSizeBytes} is no power of two`);
  }
  const logicalSectorBytes = sectorSize(
    readField(await item(metadataItem.LogicalSectorSize, 'LogicalSectorSize', 4), logicalSectorSize.LogicalSectorSize),
    'LogicalSectorSize',
    file.path,
  );
  const physicalSectorBytes = sectorSize(
    readField(
      await item(metadataItem.PhysicalSectorSize, 'PhysicalSectorSize', 4),
      physicalSectorSize.PhysicalSectorSize,
    ),
    'PhysicalSectorSize',
    file.path,
  );
  const virtualDiskSizeBytes = boundedNumber(
    readField(await item(metadataItem.VirtualDiskSize, 'VirtualDiskSize', 8), virtualDiskSize.VirtualDiskSize),
    { min: logicalSectorBytes, max: largestDiskBytes },
    'VirtualDiskSize',
    file.path,
  );
  if (virtualDiskSizeBytes % logicalSectorBytes !== 0) {
    throw damagedField(file.path, 'VirtualDiskSize', `${virtualDiskSizeBytes} is no whole number of sectors`);
  }
  const hasParent = (parameters.Flags & fileParametersFlag.HasParent) !== 0;
  return {
    region,
    entries,
    blockSizeBytes,
    leaveBlockAllocated: !hasParent && (parameters.Flags & fileParametersFlag.LeaveBlockAllocated) !== 0,
    hasParent,
    virtualDiskSizeBytes,
    virtualDiskId: readField(await item(metadataItem.VirtualDiskId, 'VirtualDiskId', 16), virtualDiskId.VirtualDiskId),
    logicalSectorBytes,
    physicalSectorBytes,
    parentLocator: hasParent ? Buffer.from(await item(metadataItem.ParentLocator, 'parent locator')) : undefined,
  };
}

async function readEntries(file: PiecesRead, region: FileRange): Promise<MetadataEntry[]> {
  const start = await file.bytes(region.offset, usualBytes);
  if (start.length < usualBytes || start.toString('latin1', 0, 8) !== metadataTableSignature) {
    throw damagedField(file.path, 'metadata table', 'its signature is missing');
  }
  const entryCount = boundedNumber(
    readField(start, metadataTableHeader.EntryCount),
    { max: mostTableEntries },
    'EntryCount of the metadata table',
    file.path,
  );
  const length = metadataTableHeaderBytes + entryCount * metadataTableEntryBytes;
  const table = length <= usualBytes ? start : await file.bytes(region.offset, length);
  if (table.length < length) {
    throw damagedField(file.path, 'metadata table', 'the file ends inside it');
  }
  const entries: MetadataEntry[] = [];
  const seen = new Set<string>();
  let userItems = 0;
  for (let index = 0; index < entryCount; index++) {
    const found = readStructure(table, metadataTableEntry, metadataTableHeaderBytes + index * metadataTableEntryBytes);
    const entry = { itemId: found.ItemId, offset: found.Offset, length: found.Length, flags: found.Flags };
    const isUser = (entry.flags & metadataFlag.IsUser) !== 0;
    userItems += isUser ? 1 : 0;
    if (seen.has(`${entry.itemId} ${isUser}`) || userItems > mostUserItems) {
      throw damagedField(file.path, 'metadata table', `the item ${entry.itemId} is there twice, or one too many`);
    }
    seen.add(`${entry.itemId} ${isUser}`);
    if ((entry.flags & metadataFlag.IsRequired) !== 0 && (isUser || !knownItems.has(entry.itemId))) {
      throw new CheckpointError(
        'UnsupportedDisk',
        `The VHDX ${file.path} needs metadata that is not known here (${entry.itemId}). Convert it with the program that made it.`,
        { path: file.path, field: 'IsRequired', found: entry.itemId },
      );
    }
    requireItemInside(entry, region, file.path);
    entries.push(entry);
  }
  return entries;
}

function requireItemInside(entry: MetadataEntry, region: FileRange, path: string): void {
  if (entry.length === 0 && entry.offset === 0) {
    return;
  }
  boundedNumber(entry.length, { max: largestItemBytes }, 'Length of a metadata item', path);
  const bounds = { min: metadataTableBytes, max: region.length - entry.length };
  boundedNumber(entry.offset, bounds, 'Offset of a metadata item', path);
}

function sectorSize(value: number, field: string, path: string): number {
  if (value !== 512 && value !== 4096) {
    throw damagedField(path, field, `it is ${value}, and must be 512 or 4096`);
  }
  return value;
}

/** An item to be written: its content, and what the table says of it. */
export interface MetadataItem {
  itemId: string;
  flags: number;
  content: Buffer;
}

/** The items that a disk without a parent has ([MS-VHDX] 2.6.2). */
export function diskItems(
  facts: Omit<Metadata, 'region' | 'entries' | 'parentLocator'>,
  locator: Buffer | undefined,
): MetadataItem[] {
  const { IsVirtualDisk, IsRequired } = metadataFlag;
  const flags =
    (facts.hasParent ? fileParametersFlag.HasParent : 0) |
    (facts.leaveBlockAllocated ? fileParametersFlag.LeaveBlockAllocated : 0);
  const items: MetadataItem[] = [
    {
      itemId: metadataItem.FileParameters,
      flags: IsRequired,
      content: encodeFileParameters(facts.blockSizeBytes, flags),
    },
    {
      itemId: metadataItem.VirtualDiskSize,
      flags: IsVirtualDisk | IsRequired,
      content: encodeVirtualDiskSize(facts.virtualDiskSizeBytes),
    },
    {
      itemId: metadataItem.LogicalSectorSize,
      flags: IsVirtualDisk | IsRequired,
      content: encoded(4, (bytes) => writeField(bytes, logicalSectorSize.LogicalSectorSize, facts.logicalSectorBytes)),
    },
    {
      itemId: metadataItem.PhysicalSectorSize,
      flags: IsVirtualDisk | IsRequired,
      content: encoded(4, (bytes) =>
        writeField(bytes, physicalSectorSize.PhysicalSectorSize, facts.physicalSectorBytes),
      ),
    },
    {
      itemId: metadataItem.VirtualDiskId,
      flags: IsVirtualDisk | IsRequired,
      content: encoded(16, (bytes) => writeField(bytes, virtualDiskId.VirtualDiskId, facts.virtualDiskId)),
    },
  ];
  if (locator !== undefined) {
    items.push({ itemId: metadataItem.ParentLocator, flags: IsRequired, content: locator });
  }
  return items;
}

export function encodeFileParameters(blockSizeBytes: number, flags: number): Buffer {
  return encoded(fileParametersBytes, (bytes) =>
    writeStructure(bytes, fileParameters, { BlockSize: blockSizeBytes, Flags: flags }),
  );
}

export function encodeVirtualDiskSize(sizeBytes: number): Buffer {
  return encoded(8, (bytes) => writeField(bytes, virtualDiskSize.VirtualDiskSize, BigInt(sizeBytes)));
}

function encoded(length: number, fill: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(length);
  fill(bytes);
  return bytes;
}

/** The metadata table's first bytes: header and entries. */
export function encodeMetadataTable(entries: readonly MetadataEntry[]): Buffer {
  const table = Buffer.alloc(metadataTableHeaderBytes + entries.length * metadataTableEntryBytes);
  writeStructure(table, metadataTableHeader, {
    Signature: Buffer.from(metadataTableSignature, 'latin1'),
    EntryCount: entries.length,
  });
  entries.forEach((entry, index) =>
    writeStructure(
      table,
      metadataTableEntry,
      { ItemId: entry.itemId, Offset: entry.offset, Length: entry.length, Flags: entry.flags },
      metadataTableHeaderBytes + index * metadataTableEntryBytes,
    ),
  );
  return table;
}

/** A new metadata region: its table, and the items one behind another. */
export function encodeMetadataRegion(items: readonly MetadataItem[]): Buffer {
  let offset = metadataTableBytes;
  const entries = items.map(({ itemId, flags, content }) => {
    const entry = { itemId, flags, offset, length: content.length };
    offset += content.length;
    return entry;
  });
  const region = Buffer.alloc(offset);
  encodeMetadataTable(entries).copy(region);
  entries.forEach((entry, index) => items[index]?.content.copy(region, entry.offset));
  return region;
}
