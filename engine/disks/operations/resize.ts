import type { WriteRehearsal } from '../disk-file.ts';
import type { LongCall } from '../disk.ts';
import { openChain, type OpenImage } from '../open-chain.ts';

/**
 * Makes a disk longer with zeros, or shorter when nothing is in the part to be cut off.
 * @throws InvalidArgument when there is something
 */
export async function resize(
  image: string,
  virtualSizeBytes: number,
  options: OpenImage & LongCall & { rehearsal?: WriteRehearsal } = {},
): Promise<void> {
  const chain = await openChain(image, {
    ...options,
    access: (depth) => (depth === 0 ? (options.rehearsal ?? 'write') : 'read'),
  });
  try {
    await chain.top.resize(virtualSizeBytes, options);
    await chain.top.flush();
  } finally {
    await chain.close();
  }
}
