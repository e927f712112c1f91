import assert from 'node:assert/strict';
import type { CreateLayer, Layer } from '../../../../../engine/disks/disk.ts';
import type { DiskFile } from '../../../../../engine/disks/disk-file.ts';
import { vhdxDriver } from '../../../../../engine/disks/vhdx/driver.ts';
import { CheckpointError } from '../../../../../engine/model/checkpoint-error.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';

export const mebibyte = 1024 * 1024;

/** An empty VHDX in memory. */
export async function newVhdx(options: Omit<CreateLayer, 'file'>, path = '/memory/disk.vhdx'): Promise<MemoryFile> {
  const file = new MemoryFile(path);
  await vhdxDriver.create({ ...options, file });
  return file;
}

/** An empty child of a VHDX in memory. */
export async function newChild(
  parent: DiskFile,
  options: Omit<CreateLayer, 'file' | 'parent'> = {},
  path = '/memory/child.vhdx',
): Promise<MemoryFile> {
  const layer = await vhdxDriver.open({ file: parent });
  return newVhdx({ ...options, parent: { layer, relativePath: 'disk.vhdx' } }, path);
}

/** Opens a chain: the first file is the layer, each next one the parent of the one before it. */
export async function openChain(...files: DiskFile[]): Promise<Layer> {
  const layers = await Promise.all(files.map((file) => vhdxDriver.open({ file })));
  layers.forEach((layer, index) => {
    const parent = layers[index + 1];
    if (parent !== undefined) {
      layer.attachParent(parent);
    }
  });
  const [top] = layers;
  if (top === undefined) {
    throw new Error('A chain has at least one file');
  }
  return top;
}

/** For reading only, as a parent is opened. */
export function frozen(file: MemoryFile): MemoryFile {
  return file.copy(file.path, true);
}

/** A range of a disk. */
export async function contentOf(layer: Layer, offset = 0, length = layer.virtualSizeBytes - offset): Promise<Buffer> {
  const content = Buffer.alloc(length, 0xa5);
  await layer.read(content, offset);
  return content;
}

/** For assert.rejects: a CheckpointError with this code about this field. */
export function about(code: string, field: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CheckpointError, String(error));
    assert.deepEqual([error.code, error.data['field']], [code, field], error.message);
    return true;
  };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) {
    collected.push(item);
  }
  return collected;
}
