import { open, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import { runProgram } from '../../../support/project.ts';

export const mebibyte = 1024 * 1024;

const qemuFormat = { raw: 'raw', vhd: 'vpc', vhdx: 'vhdx', qcow2: 'qcow2', vmdk: 'vmdk' } as const;

/** Makes an image with QEMU's own tool. @returns its path */
export async function makeImage(
  folder: string,
  name: string,
  format: DiskFormat,
  options: { sizeBytes?: number; create?: string[]; backing?: { file: string; format: DiskFormat } } = {},
): Promise<string> {
  const file = path.join(folder, name);
  const { backing, create = [], sizeBytes = 4 * mebibyte } = options;
  const parent = backing === undefined ? [] : ['-u', '-F', qemuFormat[backing.format], '-b', backing.file];
  await runProgram('qemu-img', [
    ...['create', '-q', '-f', qemuFormat[format], ...parent, ...create, file, String(sizeBytes)],
  ]);
  return file;
}

/** An image with content, so that it has blocks of every kind. */
export async function makeFilledImage(
  folder: string,
  name: string,
  format: DiskFormat,
  convert: string[] = [],
): Promise<string> {
  const raw = path.join(folder, `${name}.content`);
  const content = Buffer.alloc(4 * mebibyte);
  content.fill('content ', mebibyte, 3 * mebibyte);
  await writeFile(raw, content);
  const file = path.join(folder, name);
  await runProgram('qemu-img', [...['convert', '-q', '-f', 'raw', '-O', qemuFormat[format], ...convert, raw, file]]);
  return file;
}

/** Overwrites a part of a file. */
export async function patch(file: string, offset: number, bytes: Buffer): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.write(bytes, 0, bytes.length, offset);
  } finally {
    await handle.close();
  }
}

/** Cuts the end of a file off. */
export async function cut(file: string, lengthBytes: number): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.truncate(lengthBytes);
  } finally {
    await handle.close();
  }
}

/** Takes bytes off the end, and puts others there. */
export async function replaceEnd(file: string, removedBytes: number, end: Buffer): Promise<void> {
  const { size } = await stat(file);
  await writeFile(file, Buffer.concat([(await readFile(file)).subarray(0, size - removedBytes), end]));
}
