import type { ChainExtent } from '../chain-map.ts';
import { openChain, type OpenImage } from '../open-chain.ts';

/** An extent of what the guest sees. `isStored` is false for zeros that no layer speaks of. */
export interface MappedExtent extends Omit<ChainExtent, 'state'> {
  state: 'data' | 'zero';
  isStored: boolean;
  /** The layer that decides; absent where there is none. */
  file?: string;
}

/** Where each part of a disk's content lies in its chain. Metadata only; in order, without gaps. */
export async function* mapDisk(
  image: string,
  options: OpenImage & { /** Where to begin. */ offset?: number } = {},
): AsyncGenerator<MappedExtent> {
  const chain = await openChain(image, options);
  try {
    const map = chain.map({ signal: options.signal });
    const offset = Math.min(options.offset ?? 0, chain.top.virtualSizeBytes);
    for await (const { state, isBeyondParent: _, ...extent } of map.extents(
      offset,
      chain.top.virtualSizeBytes - offset,
    )) {
      const file = extent.depth === undefined ? undefined : chain.layers[extent.depth]?.file.path;
      yield {
        ...extent,
        state: state === 'data' ? 'data' : 'zero',
        isStored: state !== 'parent',
        ...(file === undefined ? {} : { file }),
      };
    }
  } finally {
    await chain.close();
  }
}

/** Bytes of content that a chain stores: what a whole copy of the disk has to hold at most. */
export async function dataBytes(image: string, options: OpenImage = {}): Promise<number> {
  let bytes = 0;
  for await (const { state, length } of mapDisk(image, options)) {
    bytes += state === 'data' ? length : 0;
  }
  return bytes;
}
