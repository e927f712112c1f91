import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { CreateLayer } from '../disk.ts';
import { writeStructure } from '../structure.ts';
import { backingFormatName, requireFilePath } from './backing-file.ts';
import { geometryOf } from './geometry.ts';
import { encodeExtensions, extensionType } from './header-extensions.ts';
import { headerLengthWithCompressionType, headerTable, headerTableV3, qcow2Magic } from './header.ts';
import { refcountWidth } from './refcount-width.ts';
import { writeTableEntry } from './refcounts.ts';

const usualClusterSize = 64 * 1024;
const smallestClusterSize = 512;
const largestClusterSize = 2 * 1024 * 1024;
const refcountOrder = 4;
const longestL1TableBytes = 32 * 1024 * 1024;
const sectorBytes = 512;

/**
 * Makes an empty version 3 image, durably: header, refcount table, refcount blocks, L1 table, each from a cluster's
 * start on. What is not written is a hole.
 * @throws InvalidArgument
 */
export async function createImage(options: CreateLayer): Promise<void> {
  const { file, parent } = options;
  const clusterSize = requireClusterSize(options.blockBytes ?? usualClusterSize, file.path);
  const clusterBits = Math.log2(clusterSize);
  const geometry = geometryOf({ version: 3, clusterBits, refcountOrder, incompatibleFeatures: 0n });
  const size = requireSize(options.virtualSizeBytes ?? parent?.layer.virtualSizeBytes, file.path);
  if (options.isFixed === true) {
    throw invalid(file.path, 'A qcow2 image grows with its content; it cannot be made with all space allocated.');
  }

  const l1Size = Math.max(1, Math.ceil(size / geometry.l2Coverage));
  if (l1Size * 8 > longestL1TableBytes) {
    throw invalid(
      file.path,
      `A disk of ${size} bytes needs larger clusters than ${clusterSize} bytes. Ask for larger ones, up to ${largestClusterSize}.`,
    );
  }
  const l1Clusters = Math.ceil((l1Size * 8) / clusterSize);
  const { blocks, tableClusters } = refcountStructure(l1Clusters, geometry.refcountBlockEntries, clusterSize);
  const tableOffset = clusterSize;
  const blocksOffset = tableOffset + tableClusters * clusterSize;
  const l1TableOffset = blocksOffset + blocks * clusterSize;
  const usedClusters = 1 + tableClusters + blocks + l1Clusters;

  const header = encodeHeader(options, clusterSize);
  writeStructure(header, headerTable, {
    clusterBits,
    size: BigInt(size),
    l1Size,
    l1TableOffset: BigInt(l1TableOffset),
    refcountTableOffset: BigInt(tableOffset),
    refcountTableClusters: tableClusters,
  });

  const table = Buffer.alloc(blocks * 8);
  for (let block = 0; block < blocks; block++) {
    writeTableEntry(table, block * 8, blocksOffset + block * clusterSize);
  }
  const width = refcountWidth(geometry.refcountBits);
  const counts = Buffer.alloc(Math.ceil((usedClusters * geometry.refcountBits) / 8));
  for (let cluster = 0; cluster < usedClusters; cluster++) {
    width.write(counts, cluster, 1);
  }

  await file.truncate(usedClusters * clusterSize);
  await Promise.all([file.write(table, tableOffset), file.write(counts, blocksOffset)]);
  // Last: a file without its header is no image.
  await file.write(header, 0);
  await file.sync();
}

/** Clusters of the refcount table and its blocks, so that these count themselves, the header and the L1 table. */
function refcountStructure(
  l1Clusters: number,
  blockEntries: number,
  clusterSize: number,
): { blocks: number; tableClusters: number } {
  let blocks = 1;
  for (;;) {
    const tableClusters = Math.ceil((blocks * 8) / clusterSize);
    const needed = Math.ceil((1 + tableClusters + blocks + l1Clusters) / blockEntries);
    if (needed <= blocks) {
      return { blocks, tableClusters };
    }
    blocks = needed;
  }
}

function encodeHeader(options: CreateLayer, clusterSize: number): Buffer {
  const { file, parent } = options;
  const extensions = encodeExtensions(
    parent === undefined
      ? []
      : [{ type: extensionType.backingFormat, content: Buffer.from(backingFormatName(parent.layer.format)) }],
  );
  const name = Buffer.from(parent?.relativePath ?? '');
  if (parent !== undefined) {
    requireBackingName(parent.relativePath, file.path);
  }
  const nameOffset = headerLengthWithCompressionType + extensions.length;
  if (nameOffset + name.length > clusterSize) {
    throw invalid(
      file.path,
      `The parent's path has ${name.length} bytes, more than the header has room for. Use a shorter one, or larger clusters.`,
    );
  }
  const header = Buffer.alloc(nameOffset + name.length);
  writeStructure(header, headerTable, {
    magic: qcow2Magic,
    version: 3,
    backingFileOffset: parent === undefined ? 0n : BigInt(nameOffset),
    backingFileSize: name.length,
  });
  writeStructure(header, headerTableV3, { refcountOrder, headerLength: headerLengthWithCompressionType });
  extensions.copy(header, headerLengthWithCompressionType);
  name.copy(header, nameOffset);
  return header;
}

/** @throws InvalidArgument, UnsupportedDisk for a name that a header cannot hold or that would be read as something else */
export function requireBackingName(name: string, path: string): void {
  const length = Buffer.byteLength(name);
  if (length === 0 || length > 1023 || name.includes('\0')) {
    throw invalid(path, `The parent's path must have 1 to 1023 bytes, and this has ${length}: ‘${name}’.`);
  }
  requireFilePath(name, 'backing file name', path);
}

function requireClusterSize(clusterSize: number, path: string): number {
  const isPowerOfTwo = Number.isInteger(Math.log2(clusterSize));
  if (!isPowerOfTwo || clusterSize < smallestClusterSize || clusterSize > largestClusterSize) {
    throw invalid(path, `A cluster has 512, 1024, … or ${largestClusterSize} bytes, not ${clusterSize}.`);
  }
  return clusterSize;
}

function requireSize(size: number | undefined, path: string): number {
  if (size === undefined || !Number.isSafeInteger(size) || size < 0 || size % sectorBytes !== 0) {
    throw invalid(
      path,
      `A disk has a whole number of ${sectorBytes}-byte sectors, and ${size ?? 'no size'} was asked.`,
    );
  }
  return size;
}

function invalid(path: string, message: string): CheckpointError {
  return new CheckpointError('InvalidArgument', message, { path });
}
