import { stat } from 'node:fs/promises';
import type { LongCall } from '../disk.ts';
import { openChain, type OpenImage } from '../open-chain.ts';

export interface CompactResult {
  /** What the file took on its volume before and after. */
  allocatedBytes: { before: number; after: number };
  fileSizeBytes: { before: number; after: number };
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
