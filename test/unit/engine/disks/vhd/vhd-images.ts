import type { DiskFile } from '../../../../../engine/disks/disk-file.ts';
import type { Disk, Extent, Layer } from '../../../../../engine/disks/disk.ts';
import { vhdDriver } from '../../../../../engine/disks/vhd/driver.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';

export const kib = 1024;
export const mib = 1024 * kib;
export const gib = 1024 * mib;

/** The smallest block that is made; more blocks fit into a small disk. */
export const smallBlock = 512 * kib;

export interface Made {
  file: MemoryFile;
  layer: Layer;
}

/** A new disk in memory, open for writing. */
export async function makeDisk(
  options: { sizeBytes?: number; isFixed?: boolean; blockBytes?: number; path?: string; file?: MemoryFile } = {},
): Promise<Made> {
  const { sizeBytes = 4 * mib, isFixed = false, blockBytes = smallBlock, path = '/memory/base.vhd' } = options;
  const file = options.file ?? new MemoryFile(path);
  await vhdDriver.create({ file, virtualSizeBytes: sizeBytes, isFixed, blockBytes });
  return { file, layer: await vhdDriver.open({ file }) };
}

/** A new differencing disk in memory, open for writing, with its parent attached. */
export async function makeChild(
  parent: Layer,
  options: { blockBytes?: number; path?: string; file?: MemoryFile } = {},
): Promise<Made> {
  const { blockBytes = smallBlock, path = '/memory/child.vhd' } = options;
  const file = options.file ?? new MemoryFile(path);
  const relativePath = parent.file.path.replace('/memory/', '');
  await vhdDriver.create({ file, parent: { layer: parent, relativePath }, blockBytes });
  return { file, layer: await openChild(file, parent) };
}

export async function openChild(file: DiskFile, parent: Disk): Promise<Layer> {
  const layer = await vhdDriver.open({ file });
  layer.attachParent(parent);
  return layer;
}

export async function contentOf(disk: Disk, offset = 0, length = disk.virtualSizeBytes - offset): Promise<Buffer> {
  const content = Buffer.alloc(length, 0xa5);
  await disk.read(content, offset);
  return content;
}

export async function extentsOf(disk: Disk, offset = 0, length = disk.virtualSizeBytes - offset): Promise<Extent[]> {
  const extents: Extent[] = [];
  for await (const extent of disk.extents(offset, length)) {
    extents.push(extent);
  }
  return extents;
}

/** A file whose operations take their time, each another one: what is begun at once happens in any order. */
export function slowFile(file: MemoryFile, random: () => number): DiskFile {
  const slowly = async <T>(operate: () => Promise<T>): Promise<T> => {
    for (let turn = Math.floor(random() * 4); turn > 0; turn--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    return operate();
  };
  return {
    path: file.path,
    isReadOnly: file.isReadOnly,
    size: () => file.size(),
    read: (buffer, offset) => slowly(() => file.read(buffer, offset)),
    write: (buffer, offset) => slowly(() => file.write(buffer, offset)),
    truncate: (sizeBytes) => slowly(() => file.truncate(sizeBytes)),
    punchHole: (offset, length) => slowly(() => file.punchHole(offset, length)),
    sync: () => slowly(() => file.sync()),
    close: () => file.close(),
  };
}

/** Changes one byte of an image. */
export function corrupt(file: MemoryFile, offset: number): void {
  file.apply({ kind: 'write', offset, content: Buffer.from([file.peek(offset, 1).readUInt8(0) ^ 0xff]) });
}

export function put(file: MemoryFile, offset: number, content: Buffer): void {
  file.apply({ kind: 'write', offset, content });
}

export function putNumber(file: MemoryFile, offset: number, value: number): void {
  const content = Buffer.alloc(4);
  content.writeUInt32BE(value);
  put(file, offset, content);
}

/** Makes the checksum of a footer or header right again: one's complement of the sum of the other bytes. */
export function reseal(file: MemoryFile, offset: number, length: number, checksumOffset: number): void {
  putNumber(file, offset + checksumOffset, 0);
  const sum = file.peek(offset, length).reduce((total, byte) => total + byte, 0);
  putNumber(file, offset + checksumOffset, ~sum >>> 0);
}

/** Places of the fields that tests change, by the specification's names. */
export const places = {
  footer: { length: 512, currentSize: 48, cylinders: 56, diskType: 60, checksum: 64, uniqueId: 68 },
  header: { offset: 512, length: 1024, tableOffset: 16, maxTableEntries: 28, blockSize: 32, checksum: 36 },
} as const;

/** Where the table of a disk that was made here is. */
export function tableOffsetOf(file: MemoryFile): number {
  return Number(file.peek(512 + 16, 8).readBigUInt64BE());
}

/** Entry of a block in the table, as it is in the file. */
export function tableEntry(file: MemoryFile, index: number): number {
  return file.peek(tableOffsetOf(file) + index * 4, 4).readUInt32BE();
}
