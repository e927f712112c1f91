import type { FileHandle } from 'node:fs/promises';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import type { DiskFormat } from '../model/machine.ts';
import { qcow2Magic, readQcow2Header } from './qcow2/header.ts';
import { openRegularFile } from './regular-file.ts';
import { readField, type Field } from './structure.ts';

/** What a disk image is, read from its content and never from its name. */
export interface ImageIdentity {
  format: DiskFormat;
  sizeBytes: number;
  /** Last modification in milliseconds since the epoch, rounded down. */
  modifiedMs: number;
  /** What the image says about the disk that it depends on; absent when it stands alone. */
  dependsOn?: string;
}

/** Footer of the Virtual Hard Disk Image Format Specification 1.0, section "Hard Disk Footer Format". */
const vhdFooter = { diskType: { offset: 60, type: 'u32be' } } as const satisfies Record<string, Field>;
const vhdFooterBytes = 512;
const vhdCookie = 'conectix';
const vhdDifferencing = 4;

/** [MS-VHDX] 2.2.1, 2.2.3.1 and 2.6.1.2: where things are, and the bit that says that there is a parent. */
const vhdxSignature = 'vhdxfile';
const vhdxRegionTables = [192 * 1024, 256 * 1024];
const vhdxMetadataRegion = '06a27c8b90479a4bb8fe575f050f886e';
const vhdxFileParameters = '3767a1ca36fa434db3b633f0aa44e76b';
const vhdxHasParent = 2;

/** VMware Virtual Disk Format 1.1, section "Hosted Sparse Extent". */
const vmdkSparseExtent = {
  magicNumber: { offset: 0, type: 'u32le' },
  capacity: { offset: 12, type: 'u64le' },
} as const satisfies Record<string, Field>;
const vmdkSparseExtentBytes = 512;
const vmdkSparseMagic = 0x564d444b;
const vmdkDescriptor = '# Disk DescriptorFile';

/**
 * Tells the format of an image by its content.
 * @param told what the user says it is; the only way to open a raw disk, since its content is the guest's
 * @throws DiskNotFound, NotADiskImage, ImageDamaged, UnsupportedDisk, PermissionDenied
 */
export async function identifyImage(file: string, told?: 'raw'): Promise<ImageIdentity> {
  let handle: FileHandle | undefined;
  try {
    handle = await openRegularFile(file);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(systemCode(error) ?? '')) {
      throw new CheckpointError('DiskNotFound', `There is no file ${file}. Check the path.`, { path: file });
    }
    throw error;
  }
  if (handle === undefined) {
    throw notAnImage(file, 'it is not a regular file');
  }
  try {
    const stat = await handle.stat();
    if (stat.size === 0) {
      throw notAnImage(file, 'it is empty');
    }
    const common = { sizeBytes: stat.size, modifiedMs: Math.floor(stat.mtimeMs) };
    if (told === 'raw') {
      if (stat.size % 512 !== 0) {
        throw notAnImage(file, `a raw disk is a whole number of 512-byte sectors, and this has ${stat.size} bytes`);
      }
      return { format: 'raw', ...common };
    }
    return { ...common, ...(await identifyContent(handle, file, stat.size)) };
  } finally {
    await handle.close();
  }
}

async function identifyContent(
  handle: FileHandle,
  file: string,
  sizeBytes: number,
): Promise<Pick<ImageIdentity, 'format' | 'dependsOn'>> {
  const start = await readAt(handle, 0, 512);
  if (start.length >= 4 && start.readUInt32BE(0) === qcow2Magic) {
    const header = await readQcow2Header(handle, file);
    const dependsOn = header.backingFile ?? (header.hasExternalDataFile ? 'an external data file' : undefined);
    return { format: 'qcow2', ...(dependsOn === undefined ? {} : { dependsOn }) };
  }
  if (start.toString('latin1', 0, 8) === vhdxSignature) {
    return { format: 'vhdx', ...((await vhdxHasParentDisk(handle, file)) ? { dependsOn: 'a parent VHDX' } : {}) };
  }
  if (start.length >= 4 && readField(start, vmdkSparseExtent.magicNumber) === vmdkSparseMagic) {
    if (start.length < vmdkSparseExtentBytes) {
      throw new CheckpointError('ImageDamaged', `The VMDK ${file} is damaged: it ends inside its header.`, {
        path: file,
        field: 'header',
      });
    }
    // Then QEMU reads the descriptor and opens whatever files that names.
    if (readField(start, vmdkSparseExtent.capacity) === 0n) {
      throw unsupported(file, 'it is a VMDK descriptor whose extents are other files');
    }
    return { format: 'vmdk', ...(await vmdkParent(handle)) };
  }
  if (start.toString('latin1', 0, vmdkDescriptor.length) === vmdkDescriptor) {
    throw unsupported(file, 'it is a VMDK descriptor whose extents are other files');
  }
  // Virtual PC before 2004 wrote footers of 511 bytes.
  for (const footerBytes of [vhdFooterBytes, vhdFooterBytes - 1]) {
    const footer =
      sizeBytes >= footerBytes ? await readAt(handle, sizeBytes - footerBytes, footerBytes) : Buffer.alloc(0);
    if (footer.toString('latin1', 0, vhdCookie.length) === vhdCookie) {
      const isDifferencing = readField(footer, vhdFooter.diskType) === vhdDifferencing;
      return { format: 'vhd', ...(isDifferencing ? { dependsOn: 'a parent VHD' } : {}) };
    }
  }
  if (start.toString('latin1', 0, vhdCookie.length) === vhdCookie) {
    throw new CheckpointError(
      'ImageDamaged',
      `The VHD ${file} is damaged: its footer is missing; perhaps the copy was cut short.`,
      {
        path: file,
        field: 'footer',
      },
    );
  }
  throw notAnImage(
    file,
    'its content is none of qcow2, VHDX, VHD or VMDK. If it is a raw disk, say so: its content cannot tell',
  );
}

async function vhdxHasParentDisk(handle: FileHandle, file: string): Promise<boolean> {
  for (const tableOffset of vhdxRegionTables) {
    const table = await readAt(handle, tableOffset, 65536);
    if (table.length < 65536 || table.toString('latin1', 0, 4) !== 'regi') {
      continue;
    }
    const entryCount = Math.min(table.readUInt32LE(8), 2047);
    for (let entry = 16; entry < 16 + entryCount * 32; entry += 32) {
      if (table.toString('hex', entry, entry + 16) === vhdxMetadataRegion) {
        const metadataOffset = Number(table.readBigUInt64LE(entry + 16));
        const flags = await vhdxFileParameterFlags(handle, metadataOffset);
        if (flags !== undefined) {
          return (flags & vhdxHasParent) !== 0;
        }
      }
    }
  }
  throw new CheckpointError(
    'ImageDamaged',
    `The VHDX ${file} is damaged: no region table leads to its file parameters.`,
    {
      path: file,
      field: 'region table',
    },
  );
}

async function vhdxFileParameterFlags(handle: FileHandle, metadataOffset: number): Promise<number | undefined> {
  if (!Number.isSafeInteger(metadataOffset)) {
    return undefined;
  }
  const metadata = await readAt(handle, metadataOffset, 65536);
  if (metadata.length < 65536 || metadata.toString('latin1', 0, 8) !== 'metadata') {
    return undefined;
  }
  const entryCount = Math.min(metadata.readUInt16LE(10), 2047);
  for (let entry = 32; entry < 32 + entryCount * 32; entry += 32) {
    if (metadata.toString('hex', entry, entry + 16) === vhdxFileParameters) {
      const item = await readAt(handle, metadataOffset + metadata.readUInt32LE(entry + 16), 8);
      return item.length === 8 ? item.readUInt32LE(4) : undefined;
    }
  }
  return undefined;
}

/**
 * The descriptor of a sparse extent is text near its start; a delta link's names the parent's content id and its file.
 * QEMU follows the name, whatever the id says.
 */
async function vmdkParent(handle: FileHandle): Promise<{ dependsOn?: string }> {
  const text = (await readAt(handle, 512, 20 * 512)).toString('latin1');
  const parent = /^parentCID=([0-9a-f]{8})\s*$/im.exec(text)?.[1];
  const standsAlone = (parent ?? 'ffffffff').toLowerCase() === 'ffffffff' && !text.includes('parentFileNameHint');
  return standsAlone ? {} : { dependsOn: 'a parent VMDK' };
}

async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

function notAnImage(file: string, why: string): CheckpointError {
  return new CheckpointError('NotADiskImage', `The file ${file} is not a disk image: ${why}.`, {
    path: file,
    problem: why,
  });
}

function unsupported(file: string, why: string): CheckpointError {
  return new CheckpointError(
    'UnsupportedDisk',
    `The disk ${file} cannot be used: ${why}. Convert it to a single file first.`,
    {
      path: file,
      problem: why,
    },
  );
}
