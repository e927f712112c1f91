import type { BlockAllocationTable } from './block-allocation-table.ts';
import { alignmentBytes, payloadBlock, sectorBitmapBlock, sectorBitmapBlockBytes } from './structures.ts';
import type { SyncedFile } from './synced-file.ts';
import { Queue } from './turns.ts';
import type { FileRange } from './headers.ts';

/** Free blocks that are remembered for reuse; more than that wait for the next compaction. */
const mostReusable = 65536;

/** Space for a block. */
export interface Place {
  /** Bytes, on a multiple of 1 MiB. */
  offset: number;
  /** The file has zeros there. */
  isZeroed: boolean;
}

/** Hands out space at the end of the file, and space of blocks that went away once nothing can refer to it any more. */
export class Space {
  readonly #file: SyncedFile;
  readonly #extending = new Queue();
  #end: number | undefined;
  /** Freed in memory, while the file may still refer to them. */
  #freed: FileRange[] = [];
  /** No more referred to, to be given back to the file system. */
  #drained: FileRange[] = [];
  #reusable: (FileRange & Place)[] = [];

  constructor(file: SyncedFile) {
    this.#file = file;
  }

  /** Where allocated structures end at the latest, in bytes. */
  get endBytes(): number {
    return this.#end ?? roundUp(this.#file.sizeBytes);
  }

  /** Before the first allocation: a damaged file may be shorter than its blocks, and those keep their place. */
  async prepare(bat: BlockAllocationTable): Promise<void> {
    if (this.#end === undefined) {
      const end = Math.max(roundUp(this.#file.sizeBytes), await endOfBlocks(bat));
      this.#end ??= end;
    }
  }

  /** @param length of a block, in bytes; {@link prepare} has been called */
  async allocate(length: number): Promise<Place> {
    const found = this.#reusable.findLastIndex((range) => range.length === length);
    if (found >= 0) {
      const [place] = this.#reusable.splice(found, 1);
      if (place !== undefined) {
        return place;
      }
    }
    const offset = this.endBytes;
    const end = offset + length;
    this.#end = end;
    await this.#extending.run(async () => {
      if (this.#file.sizeBytes < end) {
        await this.#file.truncate(end);
      }
    });
    return { offset, isZeroed: true };
  }

  free(range: FileRange): void {
    this.#freed.push(range);
  }

  /** What was freed up to now; the caller makes that durable, and then calls {@link drain} or, failing that, {@link free}. */
  takeFreed(): FileRange[] {
    const freed = this.#freed;
    this.#freed = [];
    return freed;
  }

  /** Nothing in the file refers to these any more, and no read or write of them is under way. */
  drain(ranges: readonly FileRange[]): void {
    for (const range of ranges) {
      this.#drained.push(range);
    }
  }

  /** Gives drained space back to the file system, and keeps it for new blocks. */
  async reclaim(): Promise<void> {
    for (let range = this.#drained.pop(); range !== undefined; range = this.#drained.pop()) {
      const isZeroed = await this.#file.punchHole(range.offset, range.length);
      if (this.#reusable.length < mostReusable) {
        this.#reusable.push({ ...range, isZeroed });
      }
    }
  }

  /** After blocks have been moved: what lies behind is gone. */
  reset(endBytes: number): void {
    this.#end = endBytes;
    this.#freed = [];
    this.#drained = [];
    this.#reusable = [];
  }
}

export function roundUp(bytes: number): number {
  return Math.ceil(bytes / alignmentBytes) * alignmentBytes;
}

/** The end of the last block that is present, in bytes. @throws ImageDamaged */
export async function endOfBlocks(bat: BlockAllocationTable): Promise<number> {
  let end = 0;
  await visitBlocks(bat, ({ fileOffset, length }) => {
    end = Math.max(end, fileOffset + length);
    return undefined;
  });
  return end;
}

/** A block that has its place in the file. */
export interface PresentBlock {
  kind: 'payload' | 'sectorBitmap';
  /** Of the payload block, or of the chunk. */
  number: number;
  state: number;
  fileOffset: number;
  length: number;
}

/**
 * Visits all blocks that are present, in the order of the table; empty parts of the table are skipped. The visitor
 * returns a promise only when there is something to wait for: there may be many millions of blocks.
 * @throws ImageDamaged
 */
export async function visitBlocks(
  bat: BlockAllocationTable,
  visit: (block: PresentBlock) => Promise<void> | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const { entryCount, chunkRatio, blockSizeBytes, payloadBlocks } = bat.geometry;
  let index = 0;
  while (index < entryCount) {
    signal?.throwIfAborted();
    index = await bat.skipZeros(index);
    if (index === entryCount) {
      return;
    }
    const end = Math.min(entryCount, bat.nextPageIndex(index));
    let page = bat.peek(index) ?? (await bat.load(index));
    if (page.isZero) {
      index = end;
    }
    for (; index < end; index++) {
      const chunk = Math.floor(index / (chunkRatio + 1));
      let found: PresentBlock | undefined;
      if (index === bat.sectorBitmapIndex(chunk)) {
        const { state, fileOffset } = bat.sectorBitmap(page, chunk);
        if (state === sectorBitmapBlock.present) {
          found = { kind: 'sectorBitmap', number: chunk, state, fileOffset, length: sectorBitmapBlockBytes };
        }
      } else if (index - chunk < payloadBlocks) {
        const number = index - chunk;
        const { state, fileOffset } = bat.payload(page, number);
        if (state === payloadBlock.fullyPresent || state === payloadBlock.partiallyPresent) {
          found = { kind: 'payload', number, state, fileOffset, length: blockSizeBytes };
        }
      }
      const visiting = found === undefined ? undefined : visit(found);
      if (visiting !== undefined) {
        await visiting;
        page = bat.peek(index) ?? (await bat.load(index));
      }
    }
  }
}
