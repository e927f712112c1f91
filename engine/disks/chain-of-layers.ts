import { ChainMap } from './chain-map.ts';
import type { Layer } from './disk.ts';

/** A chain of open layers, verified and connected. Whoever opened it closes it. */
export class OpenChain {
  /** From the top down to the base. */
  readonly layers: readonly Layer[];
  /** What the guest sees. */
  readonly top: Layer;
  readonly base: Layer;

  constructor(base: Layer, layers: readonly Layer[]) {
    this.layers = layers;
    this.top = layers[0] ?? base;
    this.base = base;
  }

  /** Where the content comes from; of the uppermost `depth` layers, or of all. */
  map(options: { depth?: number; signal?: AbortSignal | undefined } = {}): ChainMap {
    return new ChainMap(this.layers.slice(0, options.depth), options.signal);
  }

  /** Closes every layer, whatever goes wrong with one. @throws the first thing that went wrong */
  async close(): Promise<void> {
    const results = await Promise.allSettled(this.layers.map((layer) => layer.close()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) {
      throw failed.reason;
    }
  }
}
