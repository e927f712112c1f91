import { createHash } from 'node:crypto';
import type { Disk, Layer } from '../../../../../engine/disks/disk.ts';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import { vmdkDriver } from '../../../../../engine/disks/vmdk/driver.ts';
import { runProgram } from '../../../../support/project.ts';

/** Opens an image of the volume for reading, its extents beside it. */
export async function openVmdk(image: string, parent?: Disk): Promise<Layer> {
  const file = await openDiskFile(image, 'read');
  try {
    const layer = await vmdkDriver.open({ file, openOther: (other) => openDiskFile(other, 'read') });
    if (parent !== undefined) {
      layer.attachParent(parent);
    }
    return layer;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The whole content of a small disk, in reads of odd sizes. */
export async function contentOf(disk: Disk, pieceBytes = 1_000_003): Promise<Buffer> {
  const content = Buffer.alloc(disk.virtualSizeBytes, 0xa5);
  for (let at = 0; at < content.length; at += pieceBytes) {
    await disk.read(content.subarray(at, Math.min(at + pieceBytes, content.length)), at);
  }
  return content;
}

/** The content as the disk's own extents describe it: data is read, the rest is taken as zero. */
export async function contentByExtents(disk: Disk): Promise<Buffer> {
  const content = Buffer.alloc(disk.virtualSizeBytes);
  let end = 0;
  for await (const extent of disk.extents(0, disk.virtualSizeBytes)) {
    if (extent.offset !== end) {
      throw new Error(`a gap at ${end}`);
    }
    end += extent.length;
    if (extent.state === 'data') {
      await disk.read(content.subarray(extent.offset, end), extent.offset);
    }
  }
  if (end !== content.length) {
    throw new Error(`the extents end at ${end}`);
  }
  return content;
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Content of an image as qemu-img shows it. */
export async function qemuContent(image: string, raw: string): Promise<Buffer> {
  await runProgram('qemu-img', ['convert', '-f', 'vmdk', '-O', 'raw', image, raw]);
  const file = await openDiskFile(raw, 'read');
  try {
    const content = Buffer.alloc(await file.size());
    await file.read(content, 0);
    return content;
  } finally {
    await file.close();
  }
}
