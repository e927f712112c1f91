import { randomUUID } from 'node:crypto';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { CreateLayer } from '../disk.ts';
import type { DiskFile } from '../disk-file.ts';
import { writeStructure } from '../structure.ts';
import { splitByZeros, zeroBuffer } from '../zero-content.ts';
import { batEntryBytes, geometryOf, type Geometry } from './block-allocation-table.ts';
import { encodeHeader } from './headers.ts';
import { diskItems, encodeMetadataRegion } from './metadata-table.ts';
import { encodeParentLocator, newParentLocator } from './parent-locator.ts';
import { encodeRegionTable } from './region-table.ts';
import { roundUp } from './space.ts';
import {
  fileTypeIdentifier,
  fileTypeIdentifierSignature,
  headerBytes,
  headerOffsets,
  headerSectionBytes,
  largestBlockBytes,
  largestDiskBytes,
  mebibyte,
  payloadBlock,
  regionTableBytes,
  regionTableOffsets,
  smallestBlockBytes,
  zeroGuid,
} from './structures.ts';

/** What Windows chooses: large blocks alone, small ones on a parent, of which each partly filled one costs a bitmap. */
const usualBlockBytes = { standalone: 32 * mebibyte, differencing: 2 * mebibyte } as const;
const creator = 'VM Checkpoints';
const writtenPartBytes = 4096;

/** Where the structures of a new file lie, in bytes. */
const log = { offset: headerSectionBytes, length: mebibyte };
const metadataRegion = { offset: log.offset + log.length, length: mebibyte };
const batOffset = metadataRegion.offset + metadataRegion.length;

/** Makes an empty VHDX in an empty file, durably. @throws InvalidArgument, UnsupportedDisk */
export async function createImage(options: CreateLayer): Promise<void> {
  const { file } = options;
  const facts = diskFacts(options);
  const geometry = geometryOf(facts);
  const locator =
    options.parent === undefined
      ? undefined
      : encodeParentLocator(
          newParentLocator(parentIdentity(options, 'DataWriteGuid'), options.parent.relativePath, file.path),
          file.path,
        );
  const bat = { offset: batOffset, length: roundUp(geometry.entryCount * batEntryBytes) };
  const firstBlock = bat.offset + bat.length;

  const section = encodeHeaderSection(encodeRegionTable(bat, metadataRegion));
  await writeParts(file, section, 0);
  await writeParts(file, encodeMetadataRegion(diskItems(facts, locator)), metadataRegion.offset);
  if (facts.leaveBlockAllocated) {
    await writeFixedBat(file, geometry, firstBlock);
    const end = firstBlock + geometry.payloadBlocks * geometry.blockSizeBytes;
    for (let at = firstBlock; at < end; at += zeroBuffer.length) {
      await file.write(zeroBuffer.subarray(0, Math.min(zeroBuffer.length, end - at)), at);
    }
  } else {
    await file.truncate(firstBlock);
  }
  await file.sync();
}

/** All but the zeros, of which structures mostly consist, and which a new file has everywhere. */
async function writeParts(file: DiskFile, content: Buffer, offset: number): Promise<void> {
  const parts = splitByZeros(content, writtenPartBytes).filter(({ isZero }) => !isZero);
  await Promise.all(parts.map(({ from, to }) => file.write(content.subarray(from, to), offset + from)));
}

type DiskFacts = Parameters<typeof diskItems>[0];

function diskFacts(options: CreateLayer): DiskFacts {
  const { parent, file } = options;
  const path = file.path;
  if (parent !== undefined && parent.layer.format !== 'vhdx') {
    throw new CheckpointError(
      'UnsupportedDisk',
      `A VHDX layer can only stand on a VHDX, and ${parent.layer.file.path} is ${parent.layer.format}.`,
      { path, format: parent.layer.format },
    );
  }
  const logicalSectorBytes = parent?.layer.logicalSectorBytes ?? options.logicalSectorBytes ?? 512;
  if (logicalSectorBytes !== 512 && logicalSectorBytes !== 4096) {
    throw invalid(path, 'LogicalSectorSize', logicalSectorBytes, 'it is 512 or 4096');
  }
  if (parent !== undefined && options.isFixed === true) {
    throw invalid(path, 'HasParent', 'fixed', 'a layer on a parent cannot be fixed');
  }
  const usual = parent === undefined ? usualBlockBytes.standalone : usualBlockBytes.differencing;
  const blockSizeBytes = options.blockBytes ?? usual;
  const isPowerOfTwo = Number.isInteger(Math.log2(blockSizeBytes));
  if (!isPowerOfTwo || blockSizeBytes < smallestBlockBytes || blockSizeBytes > largestBlockBytes) {
    throw invalid(path, 'BlockSize', blockSizeBytes, 'it is a power of two from 1 MiB to 256 MiB');
  }
  const virtualDiskSizeBytes = parent?.layer.virtualSizeBytes ?? options.virtualSizeBytes ?? 0;
  requireDiskSize(virtualDiskSizeBytes, logicalSectorBytes, path);
  const physical = parent?.layer.details['PhysicalSectorSize'];
  return {
    blockSizeBytes,
    leaveBlockAllocated: options.isFixed === true,
    hasParent: parent !== undefined,
    virtualDiskSizeBytes,
    virtualDiskId: parent === undefined ? randomUUID() : parentIdentity(options, 'VirtualDiskId'),
    logicalSectorBytes,
    physicalSectorBytes: physical === 512 ? 512 : 4096,
  };
}

function parentIdentity({ parent, file }: CreateLayer, name: string): string {
  const value = parent?.layer.identity[name];
  if (value === undefined) {
    throw invalid(file.path, name, 'nothing', 'the parent has one');
  }
  return value;
}

/** @throws InvalidArgument unless a VHDX can have this size ([MS-VHDX] 2.6.2.2) */
export function requireDiskSize(sizeBytes: number, logicalSectorBytes: number, path: string): void {
  const isSize = Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes <= largestDiskBytes;
  if (!isSize || sizeBytes % logicalSectorBytes !== 0) {
    throw invalid(
      path,
      'VirtualDiskSize',
      sizeBytes,
      `it is a whole number of sectors of ${logicalSectorBytes} bytes, and at most 64 TiB`,
    );
  }
}

function invalid(path: string, field: string, found: number | string, rule: string): CheckpointError {
  return new CheckpointError('InvalidArgument', `The VHDX ${path} cannot have the ${field} ${found}: ${rule}.`, {
    path,
    field,
    found,
  });
}

function encodeHeaderSection(regionTable: Buffer): Buffer {
  const section = Buffer.alloc(regionTableOffsets[1] + regionTableBytes);
  writeStructure(section, fileTypeIdentifier, {
    Signature: Buffer.from(fileTypeIdentifierSignature, 'latin1'),
    Creator: Buffer.from(creator, 'utf16le'),
  });
  const values = {
    FileWriteGuid: randomUUID(),
    DataWriteGuid: randomUUID(),
    LogGuid: zeroGuid,
    LogVersion: 0,
    Version: 1,
    LogLength: log.length,
    LogOffset: BigInt(log.offset),
  };
  headerOffsets.forEach((offset, slot) =>
    encodeHeader({ ...values, SequenceNumber: BigInt(slot + 1) }).copy(section, offset, 0, headerBytes),
  );
  regionTableOffsets.forEach((offset) => regionTable.copy(section, offset));
  return section;
}

/** All blocks present, one behind another; a piece of the table at a time. */
async function writeFixedBat(file: DiskFile, geometry: Geometry, firstBlock: number): Promise<void> {
  const { entryCount, chunkRatio, blockSizeBytes } = geometry;
  const piece = Buffer.alloc(mebibyte);
  const perPiece = piece.length / batEntryBytes;
  for (let start = 0; start < entryCount; start += perPiece) {
    const count = Math.min(perPiece, entryCount - start);
    for (let index = start; index < start + count; index++) {
      const chunk = Math.floor(index / (chunkRatio + 1));
      const isSectorBitmap = index % (chunkRatio + 1) === chunkRatio;
      const offsetMebibytes = (firstBlock + (index - chunk) * blockSizeBytes) / mebibyte;
      const entry = isSectorBitmap ? 0n : (BigInt(offsetMebibytes) << 20n) | BigInt(payloadBlock.fullyPresent);
      piece.writeBigUInt64LE(entry, (index - start) * batEntryBytes);
    }
    await file.write(piece.subarray(0, count * batEntryBytes), batOffset + start * batEntryBytes);
  }
}
