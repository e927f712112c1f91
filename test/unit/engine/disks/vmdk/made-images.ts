import { CheckpointError } from '../../../../../engine/model/checkpoint-error.ts';
import type { DiskFile } from '../../../../../engine/disks/disk-file.ts';
import { vmdkDriver } from '../../../../../engine/disks/vmdk/driver.ts';
import { createStreamOptimized } from '../../../../../engine/disks/vmdk/stream-optimized.ts';
import { taggedContent } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';

export const MiB: number = 1 << 20;
export const sector = 512;

/** Offsets in SparseExtentHeader, written out from the specification. */
export const field = {
  version: 4,
  flags: 8,
  capacity: 12,
  grainSize: 20,
  descriptorOffset: 28,
  descriptorSize: 36,
  numGTEsPerGT: 44,
  rgdOffset: 48,
  gdOffset: 56,
  overHead: 64,
  endLineChars: 73,
  compressAlgorithm: 77,
};

export async function sparse(): Promise<MemoryFile> {
  const file = new MemoryFile('/memory/sparse.vmdk');
  await vmdkDriver.create({ file, virtualSizeBytes: 70 * MiB });
  const layer = await vmdkDriver.open({ file });
  for (const offset of [0, 3 * MiB, 32 * MiB - 1000, 70 * MiB - 512]) {
    const length = Math.min(100_000, 70 * MiB - offset);
    await layer.write(taggedContent(offset, length, offset + 1), offset);
  }
  await layer.close();
  return file;
}

export async function stream(): Promise<MemoryFile> {
  const file = new MemoryFile('/memory/stream.vmdk');
  const writer = await createStreamOptimized(file, 70 * MiB);
  await writer.append(MiB, taggedContent(MiB, 300_000, 1));
  await writer.append(40 * MiB, taggedContent(40 * MiB, 300_000, 2));
  await writer.finish();
  return file;
}

export function patched(image: MemoryFile, offset: number, content: Buffer): MemoryFile {
  const file = image.copy(undefined, true);
  file.apply({ kind: 'write', offset, content });
  return file;
}

export function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

export function u64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(value);
  return buffer;
}

/** Files in memory beside a descriptor, and which of them are open. */
export class Folder {
  readonly files = new Map<string, MemoryFile>();
  opened = 0;
  closed = 0;

  readonly open = async (path: string): Promise<DiskFile> => {
    const file = this.files.get(path);
    if (file === undefined) {
      throw new CheckpointError('DiskNotFound', `There is no ${path}.`);
    }
    this.opened++;
    const copy = file.copy();
    copy.close = async () => {
      this.closed++;
    };
    return copy;
  };
}

export function descriptor(...extents: string[]): MemoryFile {
  const text = ['# Disk DescriptorFile', 'version=1', 'CID=12345678', 'createType="custom"', ...extents, ''].join('\n');
  return new MemoryFile('/memory/disk.vmdk', Buffer.from(text));
}
