import type { Disk, Extent, ExtentState } from './disk.ts';

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
  constructor(layers: readonly Disk[], signal?: AbortSignal) {
    this.#layers = layers.map((layer) => new LayerCursor(layer, signal));
  }

  /**
   * The extent that begins at an offset, not before that of an earlier call; as long as is known without looking further.
   * @param limit no layer is asked about what lies behind it
   */
  async at(offset: number, limit = Infinity): Promise<ChainExtent> {
    let end = limit;
    for (const [depth, cursor] of this.#layers.entries()) {
      if (offset >= cursor.virtualSizeBytes) {
        // Beyond a parent's end its child sees zeros, whatever lies deeper.
        return { offset, length: end - offset, state: 'zero', depth: depth - 1, isBeyondParent: true };
      }
      const extent = cursor.current(offset) ?? (await cursor.seek(offset, end));
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
    try {
      for (let at = offset; at < end;) {
        const extent = await this.at(at, end);
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
    } finally {
      for (const cursor of this.#layers) {
        await cursor.release();
      }
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
  readonly #layer: Disk;
  readonly #signal: AbortSignal | undefined;
  #iterator: AsyncIterator<Extent> | undefined;
  #extent: Extent | undefined;

  constructor(layer: Disk, signal: AbortSignal | undefined) {
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

  /** @param limit what lies behind it is not needed */
  async seek(offset: number, limit: number): Promise<Extent> {
    for (let steps = 0; steps < mostSteps; steps++) {
      const extent = await this.#next();
      if (extent === undefined || extent.offset > offset) {
        break;
      }
      if (offset < extent.offset + extent.length) {
        return extent;
      }
    }
    await this.release();
    const length = Math.min(limit, this.virtualSizeBytes) - offset;
    this.#iterator = this.#layer.extents(offset, length, this.#signal)[Symbol.asyncIterator]();
    const extent = await this.#next();
    if (extent?.offset !== offset || extent.length <= 0) {
      throw new Error(`The map of a ${this.#layer.format} layer has a gap at byte ${offset}`);
    }
    return extent;
  }

  /** Lets the layer know that no more of its extents are looked at for now. */
  async release(): Promise<void> {
    await this.#iterator?.return?.();
    this.#iterator = undefined;
    this.#extent = undefined;
  }

  async #next(): Promise<Extent | undefined> {
    const result = await this.#iterator?.next();
    this.#extent = result === undefined || result.done === true ? undefined : result.value;
    return this.#extent;
  }
}
