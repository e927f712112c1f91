import path from 'node:path';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import type { CreateLayer } from '../disk.ts';
import { writeStructure } from '../structure.ts';
import { descriptorText } from './descriptor-text.ts';
import { endLineChars, entryBytes, sectorBytes, sparseExtentHeader, sparseFlag, sparseMagic } from './structures.ts';

/** What VMware and QEMU choose, too. In sectors. */
export const usualGrainSize = 128;
export const usualEntriesPerTable = 512;
export const descriptorSectors = 20;
const tableSectors = (usualEntriesPerTable * entryBytes) / sectorBytes;
const directoryPieceBytes = 64 * 1024;
const largestCapacityBytes = 2 ** 46;

/**
 * Makes an empty monolithicSparse image, both directories and all tables in place, durably.
 * @throws InvalidArgument for a size that is none; UnsupportedDisk for what VMDKs are not created with
 */
export async function createSparse(options: CreateLayer): Promise<void> {
  const { file } = options;
  requireCreatable(options);
  const capacity = requireCapacity(file, options.virtualSizeBytes);
  const tableCount = Math.ceil(capacity / (usualGrainSize * usualEntriesPerTable));
  const directorySectors = Math.ceil((tableCount * entryBytes) / sectorBytes);
  const rgdSector = 1 + descriptorSectors;
  const gdSector = rgdSector + directorySectors + tableCount * tableSectors;
  const metadataEnd = gdSector + directorySectors + tableCount * tableSectors;
  const overHead = Math.ceil(metadataEnd / usualGrainSize) * usualGrainSize;

  await file.truncate(overHead * sectorBytes);
  for (const sector of [rgdSector, gdSector]) {
    await writeDirectory(file, sector, tableCount, sector + directorySectors);
  }
  const fileName = options.fileName ?? path.basename(file.path);
  await file.write(descriptorBlock(descriptorText('monolithicSparse', capacity, fileName)), sectorBytes);
  const header = Buffer.alloc(sectorBytes);
  writeStructure(header, sparseExtentHeader, {
    magicNumber: sparseMagic,
    version: 1,
    flags: sparseFlag.validNewLineTest | sparseFlag.redundantGrainTable,
    capacity: BigInt(capacity),
    grainSize: BigInt(usualGrainSize),
    descriptorOffset: 1n,
    descriptorSize: BigInt(descriptorSectors),
    numGTEsPerGT: usualEntriesPerTable,
    rgdOffset: BigInt(rgdSector),
    gdOffset: BigInt(gdSector),
    overHead: BigInt(overHead),
    uncleanShutdown: 0,
    endLineChars,
    compressAlgorithm: 0,
  });
  await file.write(header, 0);
  await file.sync();
}

/** The descriptor as it is embedded: filled up with zeros. */
export function descriptorBlock(text: string): Buffer {
  const block = Buffer.alloc(descriptorSectors * sectorBytes);
  block.write(text, 'utf8');
  return block;
}

/** @returns sectors. @throws InvalidArgument */
export function requireCapacity(file: DiskFile, sizeBytes: number | undefined): number {
  if (sizeBytes === undefined || !Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes % sectorBytes !== 0) {
    throw new CheckpointError(
      'InvalidArgument',
      `A VMDK's size is a whole number of ${sectorBytes}-byte sectors, and ${sizeBytes ?? 'none'} is not.`,
      { path: file.path, virtualSizeBytes: sizeBytes },
    );
  }
  if (sizeBytes > largestCapacityBytes) {
    throw new CheckpointError('InvalidArgument', `A VMDK has at most 64 TiB; ${sizeBytes} bytes are more.`, {
      path: file.path,
      virtualSizeBytes: sizeBytes,
    });
  }
  return sizeBytes / sectorBytes;
}

function requireCreatable({ file, parent, isFixed, logicalSectorBytes }: CreateLayer): void {
  const refused =
    parent !== undefined
      ? 'with a parent'
      : isFixed === true
        ? 'with all space allocated'
        : logicalSectorBytes !== undefined && logicalSectorBytes !== sectorBytes
          ? `with sectors of ${logicalSectorBytes} bytes`
          : undefined;
  if (refused !== undefined) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `A VMDK cannot be created ${refused}. Choose another format (qcow2, VHDX, VHD).`,
      { path: file.path },
    );
  }
}

/** A directory whose tables follow one another, in bounded pieces. */
async function writeDirectory(file: DiskFile, sector: number, tableCount: number, firstTable: number): Promise<void> {
  const perPiece = directoryPieceBytes / entryBytes;
  for (let first = 0; first < tableCount; first += perPiece) {
    const piece = Buffer.alloc(Math.min(perPiece, tableCount - first) * entryBytes);
    for (let at = 0; at < piece.length; at += entryBytes) {
      piece.writeUInt32LE(firstTable + (first + at / entryBytes) * tableSectors, at);
    }
    await file.write(piece, sector * sectorBytes + first * entryBytes);
  }
}
