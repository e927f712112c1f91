import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { create } from '../../../engine/disks/operations/create.ts';
import { openChain } from '../../../engine/disks/open-chain.ts';
import type { DiskFormat } from '../../../engine/model/machine.ts';

/** Bytes of data that a row moves. */
export const dataBytes = Number(process.env['CKPT_BENCH_MIB'] ?? 1024) * 1024 * 1024;
export const qemuName = { raw: 'raw', vhd: 'vpc', vhdx: 'vhdx', qcow2: 'qcow2', vmdk: 'vmdk' } as const;

const pieceBytes = 1024 * 1024;

/** Content that neither compresses nor repeats, of any seed: xorshift numbers. */
export function* randomPieces(totalBytes: number, seed = 1): Generator<Buffer> {
  const words = new Uint32Array(pieceBytes / 4);
  let state = seed >>> 0 || 1;
  for (let done = 0; done < totalBytes; done += pieceBytes) {
    for (let at = 0; at < words.length; at++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[at] = state;
    }
    yield Buffer.from(words.buffer, 0, Math.min(pieceBytes, totalBytes - done));
  }
}

/** Fills a disk, as seen through one of its layers, with data. */
export async function fillDisk(file: string, seed: number, format?: 'raw'): Promise<void> {
  const chain = await openChain(file, {
    access: (depth) => (depth === 0 ? 'write' : 'read'),
    ...(format === undefined ? {} : { format }),
  });
  let offset = 0;
  for (const piece of randomPieces(Math.min(dataBytes, chain.top.virtualSizeBytes), seed)) {
    await chain.top.write(piece, offset);
    offset += piece.length;
  }
  await chain.close();
}

/** A raw disk of data that compresses to about half. */
export async function writeCompressible(file: string): Promise<void> {
  let isFirst = true;
  for (const piece of randomPieces(dataBytes)) {
    const mixed = Buffer.from(piece);
    for (let at = 0; at < mixed.length; at += 128) {
      mixed.fill('checkpoint ', at + 64, at + 128);
    }
    await writeFile(file, mixed, { flag: isFirst ? 'w' : 'a' });
    isFirst = false;
  }
}

/** An empty disk, and optionally a layer on it. */
export async function makeLayers(folder: string, format: DiskFormat, isFilled: boolean): Promise<[string, string]> {
  const [parent, child] = [path.join(folder, `parent.${format}`), path.join(folder, `child.${format}`)];
  await create(parent, { format, virtualSizeBytes: dataBytes });
  if (isFilled) {
    await fillDisk(parent, 2);
  }
  await create(child, { format, parent: { file: parent } });
  await fillDisk(child, 3);
  return [parent, child];
}
