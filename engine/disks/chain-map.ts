import type { Extent, ExtentState, Layer } from './disk.ts';

/**
 * A range of a chain's content. `parent`: none of the layers that were looked at says anything of it, so it comes from
 * below them, or is zero where there is nothing below.
 */
export interface ChainExtent {
  offset: number;
  length: number;
  state: ExtentState;
  /** The layer that decides, counted from the top; absent for `parent`. */
  depth?: number;
  /** Where the data lies in that layer's file, as {@link Extent.fileOffset}. */
  fileOffset?: number;
  isCompressed?: boolean;
  /** Zero because the next layer down, which would be asked, ends before. */
  isBeyondParent?: boolean;
}

/** Layers that lie far behind are asked anew, rather than followed extent by extent. */
const mostSteps = 8;

/**
 * Where a chain's content comes from: the layers' own extents laid over each other. Goes forward only, and asks a layer
 * only about ranges that those above it leave open.
 */
export class ChainMap {
  readonly #layers: readonly LayerCursor[];

  /** @param layers from the top down; a chain's uppermost ones, or all */
  constructor(layers: readonly Layer[], signal?: AbortSignal) {
    this.#layers = layers.map((layer) => new LayerCursor(layer, signal));
  }

  /** The extent that begins at an offset, not before that of an earlier call; as long as is known without looking further. */
  async at(offset: number): Promise<ChainExtent> {
    let end = Infinity;
    for (const [depth, cursor] of this.#layers.entries()) {
      if (offset >= cursor.virtualSizeBytes) {
        // Beyond a parent's end its child sees zeros, whatever lies deeper.
        return { offset, length: end - offset, state: 'zero', depth: depth - 1, isBeyondParent: true };
      }
      const extent = cursor.current(offset) ?? (await cursor.seek(offset));
      end = Math.min(end, extent.offset + extent.length);
      if (extent.state !== 'parent') {
        const found: ChainExtent = { offset, length: end - offset, state: extent.state, depth };
        if (extent.fileOffset !== undefined) {
          found.fileOffset = extent.fileOffset + (extent.isCompressed === true ? 0 : offset - extent.offset);
        }
        if (extent.isCompressed === true) {
          found.isCompressed = true;
        }
        return found;
      }
    }
    return { offset, length: end - offset, state: 'parent' };
  }

  /** All extents of a range, neighbours of one kind joined. */
  async *extents(offset: number, length: number): AsyncGenerator<ChainExtent> {
    const end = offset + length;
    let pending: ChainExtent | undefined;
    for (let at = offset; at < end;) {
      const extent = await this.at(at);
      extent.length = Math.min(extent.length, end - at);
      at += extent.length;
      if (pending !== undefined && continues(pending, extent)) {
        pending.length += extent.length;
      } else {
        if (pending !== undefined) {
          yield pending;
        }
        pending = extent;
      }
    }
    if (pending !== undefined) {
      yield pending;
    }
  }
}

function continues(one: ChainExtent, next: ChainExtent): boolean {
  if (
    one.state !== next.state ||
    one.depth !== next.depth ||
    one.isCompressed !== next.isCompressed ||
    one.isBeyondParent !== next.isBeyondParent
  ) {
    return false;
  }
  return one.fileOffset === undefined || one.isCompressed === true
    ? next.fileOffset === one.fileOffset
    : next.fileOffset === one.fileOffset + one.length;
}

/** One layer's extents, as far as they are known. */
class LayerCursor {
  readonly virtualSizeBytes: number;
  readonly #layer: Layer;
  readonly #signal: AbortSignal | undefined;
  #iterator: AsyncIterator<Extent> | undefined;
  #extent: Extent | undefined;

  constructor(layer: Layer, signal: AbortSignal | undefined) {
    this.#layer = layer;
    this.#signal = signal;
    this.virtualSizeBytes = layer.virtualSizeBytes;
  }

  /** The extent around an offset when it is at hand: no promise is made for each of very many extents. */
  current(offset: number): Extent | undefined {
    const extent = this.#extent;
    return extent !== undefined && offset >= extent.offset && offset < extent.offset + extent.length
      ? extent
      : undefined;
  }

  async seek(offset: number): Promise<Extent> {
    for (let steps = 0; steps < mostSteps; steps++) {
      const extent = await this.#next();
      if (extent === undefined || extent.offset > offset) {
        break;
      }
      if (offset < extent.offset + extent.length) {
        return extent;
      }
    }
    await this.#iterator?.return?.();
    this.#iterator = this.#layer.extents(offset, this.virtualSizeBytes - offset, this.#signal)[Symbol.asyncIterator]();
    const extent = await this.#next();
    if (extent?.offset !== offset || extent.length <= 0) {
      throw new Error(`The map of ${this.#layer.file.path} has a gap at byte ${offset}`);
    }
    return extent;
  }

  async #next(): Promise<Extent | undefined> {
    const result = await this.#iterator?.next();
    this.#extent = result === undefined || result.done === true ? undefined : result.value;
    return this.#extent;
  }
}
