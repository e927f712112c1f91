import type { Disk, Extent } from '../disk.ts';

/** The layers of a disk: the active one, through which all is read, then its parents down to the base. */
export type DiskChain = readonly [Disk, ...Disk[]];

/** A range of the guest-visible disk and what holds it, looked up through the whole chain. Lengths in bytes. */
export interface Allocation {
  offset: number;
  length: number;
  /** True where the range reads as zeros without being stored. */
  isZero: boolean;
  /** How many layers down it is: 1 for the active one; 0 where no layer has it. */
  depth: number;
}

interface Level {
  layer: number;
  extents: AsyncIterator<Extent>;
  /** What lies beyond the end of a shorter parent; it follows the parent's part. */
  tail: Allocation | undefined;
}

/**
 * What holds each part of a range, in order and without gaps. A parent is asked only where all layers above it have
 * nothing, and then for no more than that range.
 */
export async function* allocationOf(
  chain: DiskChain,
  offset: number,
  length: number,
  signal?: AbortSignal,
): AsyncGenerator<Allocation> {
  const levels: Level[] = [level(chain[0], 0, offset, length, undefined, signal)];
  try {
    for (let current = levels.at(-1); current !== undefined; current = levels.at(-1)) {
      const next = await current.extents.next();
      if (next.done === true) {
        levels.pop();
        if (current.tail !== undefined) {
          yield current.tail;
        }
        continue;
      }
      const extent = next.value;
      if (extent.state !== 'parent') {
        yield { ...rangeOf(extent), isZero: extent.state === 'zero', depth: current.layer + 1 };
        continue;
      }
      const parent = chain[current.layer + 1];
      const inParent = Math.min(extent.length, (parent?.virtualSizeBytes ?? 0) - extent.offset);
      if (parent === undefined || inParent <= 0) {
        yield { ...rangeOf(extent), isZero: true, depth: 0 };
        continue;
      }
      const tail =
        inParent === extent.length
          ? undefined
          : { offset: extent.offset + inParent, length: extent.length - inParent, isZero: true, depth: 0 };
      levels.push(level(parent, current.layer + 1, extent.offset, inParent, tail, signal));
    }
  } finally {
    for (const { extents } of levels) {
      await extents.return?.();
    }
  }
}

function level(
  disk: Disk,
  layer: number,
  offset: number,
  length: number,
  tail: Allocation | undefined,
  signal: AbortSignal | undefined,
): Level {
  return { layer, extents: disk.extents(offset, length, signal)[Symbol.asyncIterator](), tail };
}

function rangeOf({ offset, length }: Extent): { offset: number; length: number } {
  return { offset, length };
}
