import { openChain } from '../../../engine/disks/open-chain.ts';
import { dataBytes, randomPieces } from '../disks/made-disks.ts';

/** Writes as much as a row moves to a disk, from an offset on, as its guest would, and leaves it durable. */
export async function writeData(file: string, offset: number, seed: number, baseFolder?: string): Promise<void> {
  const chain = await openChain(file, {
    access: (depth) => (depth === 0 ? 'write' : 'read'),
    ...(baseFolder === undefined ? {} : { allowParents: [baseFolder] }),
  });
  try {
    let at = offset;
    for (const piece of randomPieces(dataBytes, seed)) {
      await chain.top.write(piece, at);
      at += piece.length;
    }
    await chain.top.flush();
  } finally {
    await chain.close();
  }
}
