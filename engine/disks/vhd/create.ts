import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { CreateLayer } from '../disk.ts';
import { requireDiskSize } from './disk-size.ts';
import {
  changedDynamicHeader,
  dynamicHeaderBytes,
  maxDiskBytesOf,
  newDynamicHeader,
  tableBytesOf,
} from './dynamic-header.ts';
import { writeZeros } from './file-zero.ts';
import { diskTypes, footerBytes, maxDiskBytes, newFooter, noDataOffset } from './footer.ts';
import { parentFields } from './set-parent.ts';

/** What Windows makes and mounts. */
const blockSizes = { smallest: 512 * 1024, usual: 2 * 1024 * 1024, largest: 2 * 1024 * 1024 };
/** Room before the table in which a longer parent path can later be put. */
const locatorsOffset = 4096;
const locatorsBytes = 12288;
const pieceBytes = 1 << 20;

/** Makes an empty image, durably. @throws InvalidArgument, UnsupportedDisk */
export async function createVhd(options: CreateLayer): Promise<void> {
  const { file, parent, isFixed, blockBytes = blockSizes.usual, logicalSectorBytes = 512 } = options;
  const path = file.path;
  if ((await file.size()) > 0) {
    throw invalid(path, 'file', 'is not empty');
  }
  if (logicalSectorBytes !== 512) {
    throw invalid(path, 'logicalSectorBytes', `has sectors of 512 bytes, not ${logicalSectorBytes}`);
  }
  const sizeBytes = parent?.layer.virtualSizeBytes ?? options.virtualSizeBytes;
  if (sizeBytes === undefined || (parent !== undefined && isFixed === true)) {
    throw invalid(path, 'virtualSizeBytes', 'needs a size, or a parent and no fixed size');
  }
  if (isFixed === true) {
    requireDiskSize(sizeBytes, maxDiskBytes, path);
    await writeZeros(file, 0, sizeBytes);
    await file.write(newFooter(diskTypes.fixed, sizeBytes, noDataOffset).bytes, sizeBytes);
    await file.sync();
    return;
  }
  requireBlockSize(blockBytes, path);
  requireDiskSize(sizeBytes, maxDiskBytesOf(blockBytes), path);
  await createSparse(options, sizeBytes, blockBytes);
}

/** Dynamic, or differencing when there is a parent. */
async function createSparse({ file, parent }: CreateLayer, sizeBytes: number, blockBytes: number): Promise<void> {
  const maxTableEntries = Math.ceil(sizeBytes / blockBytes);
  const fields = parent === undefined ? undefined : parentFields(parent, file.path);
  const tableOffset =
    fields === undefined
      ? footerBytes + dynamicHeaderBytes
      : locatorsOffset + Math.max(locatorsBytes, Math.ceil(fields.bytes.length / locatorsOffset) * locatorsOffset);
  const plain = newDynamicHeader({ tableOffset, maxTableEntries, blockSize: blockBytes });
  const header =
    fields === undefined ? plain : changedDynamicHeader(plain, fields.values, fields.entries(locatorsOffset));
  const diskType = fields === undefined ? diskTypes.dynamic : diskTypes.differencing;
  const footer = newFooter(diskType, sizeBytes, BigInt(footerBytes));

  const tableEnd = tableOffset + tableBytesOf(maxTableEntries);
  const head = Buffer.alloc(tableOffset);
  footer.bytes.copy(head, 0);
  header.bytes.copy(head, footerBytes);
  fields?.bytes.copy(head, locatorsOffset);
  const whole = Math.min(tableEnd - tableOffset, pieceBytes);
  if (tableOffset + whole === tableEnd) {
    await file.write(Buffer.concat([head, Buffer.alloc(whole, 0xff), footer.bytes]), 0);
  } else {
    const unused = Buffer.alloc(pieceBytes, 0xff);
    for (let at = tableOffset; at < tableEnd; at += pieceBytes) {
      await file.write(unused.subarray(0, Math.min(pieceBytes, tableEnd - at)), at);
    }
    await file.write(footer.bytes, tableEnd);
    await file.write(head, 0);
  }
  await file.sync();
}

function requireBlockSize(blockBytes: number, path: string): void {
  const isPower = Number.isInteger(blockBytes) && Number.isInteger(Math.log2(blockBytes));
  if (!isPower || blockBytes < blockSizes.smallest || blockBytes > blockSizes.largest) {
    throw invalid(path, 'blockBytes', `has blocks of 512 KiB, 1 MiB or 2 MiB, not of ${blockBytes} bytes`);
  }
}

function invalid(path: string, field: string, problem: string): CheckpointError {
  return new CheckpointError('InvalidArgument', `The new VHD ${path} cannot be made: it ${problem}.`, { path, field });
}
