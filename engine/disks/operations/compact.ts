import { stat } from 'node:fs/promises';
import type { LongCall } from '../disk.ts';
import { Rehearsal } from '../rehearsal.ts';
import { openChain, type OpenImage } from '../open-chain.ts';

export interface CompactResult {
  /** What the file took on its volume before and after. */
  allocatedBytes: { before: number; after: number };
  fileSizeBytes: { before: number; after: number };
}

/**
 * What compacting an image could give back at most, once it may be written. How much it is, only doing it tells.
 * @throws what opening it for writing throws
 */
export async function decideCompact(image: string, options: OpenImage = {}): Promise<{ mostFreedBytes: number }> {
  const rehearsal = new Rehearsal();
  const chain = await openChain(image, { ...options, access: (depth) => (depth === 0 ? rehearsal : 'read') });
  try {
    return { mostFreedBytes: (await stat(image)).blocks * 512 };
  } finally {
    await chain.close();
  }
}

/** Makes an image take less space: what is unused or zero is given back. Its content stays. */
export async function compact(image: string, options: OpenImage & LongCall = {}): Promise<CompactResult> {
  const before = await stat(image);
  const chain = await openChain(image, { ...options, access: (depth) => (depth === 0 ? 'write' : 'read') });
  try {
    await chain.top.compact(options);
  } finally {
    await chain.close();
  }
  const after = await stat(image);
  return {
    allocatedBytes: { before: before.blocks * 512, after: after.blocks * 512 },
    fileSizeBytes: { before: before.size, after: after.size },
  };
}
