import type { Layer } from '../../../engine/disks/disk.ts';
import { openChain } from '../../../engine/disks/open-chain.ts';
import { dataBytes, randomPieces } from '../disks/made-disks.ts';

/** Where a row writes as much as it moves: as its guest would write one large file, or many small ones all over its disk. */
export type Spread = 'in one run' | 'scattered';

const clusterBytes = 64 * 1024;

/** Prime, so that each cluster has its turn, and none beside the one before. */
const step = 7919;

/** Writes as much as a row moves to a disk, from an offset on, as its guest would, and leaves it durable. */
export async function writeData(file: string, offset: number, seed: number, baseFolder?: string): Promise<void> {
  await write(file, baseFolder, async (disk) => {
    let at = offset;
    for (const piece of randomPieces(dataBytes, seed)) {
      await disk.write(piece, at);
      at += piece.length;
    }
  });
}

/** The same in clusters of 64 KiB, spread evenly over the disk and out of order: each table of the image has some. */
export async function scatterData(file: string, seed: number, baseFolder?: string): Promise<void> {
  await write(file, baseFolder, async (disk) => {
    const clusters = dataBytes / clusterBytes;
    const distance = Math.floor(disk.virtualSizeBytes / clusters / clusterBytes) * clusterBytes;
    let count = 0;
    for (const piece of randomPieces(dataBytes, seed)) {
      for (let at = 0; at < piece.length; at += clusterBytes) {
        await disk.write(piece.subarray(at, at + clusterBytes), ((count * step) % clusters) * distance);
        count += 1;
      }
    }
  });
}

async function write(
  file: string,
  baseFolder: string | undefined,
  content: (disk: Layer) => Promise<void>,
): Promise<void> {
  const chain = await openChain(file, {
    access: (depth) => (depth === 0 ? 'write' : 'read'),
    ...(baseFolder === undefined ? {} : { allowParents: [baseFolder] }),
  });
  try {
    await content(chain.top);
    await chain.top.flush();
  } finally {
    await chain.close();
  }
}
