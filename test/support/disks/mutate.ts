import assert from 'node:assert/strict';
import type { DiskFile } from '../../../engine/disks/disk-file.ts';
import type { Disk, FormatDriver, Layer } from '../../../engine/disks/disk.ts';
import { CheckpointError } from '../../../engine/model/checkpoint-error.ts';
import { MemoryFile } from './memory-file.ts';

/** A part of an image that a hostile file would lie in. Bytes. */
export interface MutationRange {
  offset: number;
  length: number;
}

/** One change of an image, as plain data, so that a find can be kept in a test. `hex` is written at `offset`. */
export type Mutation = { offset: number; hex: string } | { truncateTo: number };

/** A way in which an image went wrong once: kept in tests as a regression. */
export function mutated(image: MemoryFile, mutations: readonly Mutation[]): MemoryFile {
  const file = image.copy(undefined, false);
  for (const mutation of mutations) {
    if ('truncateTo' in mutation) {
      file.apply({ kind: 'truncate', sizeBytes: mutation.truncateTo });
    } else {
      file.apply({ kind: 'write', offset: mutation.offset, content: Buffer.from(mutation.hex, 'hex') });
    }
  }
  return file;
}

const extremes = [
  0n,
  1n,
  2n,
  0x7fn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  2n ** 40n,
  2n ** 62n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** One to four changes inside the ranges: flipped bits, extreme and slightly different integers, swaps, cuts. */
export function randomMutations(image: MemoryFile, ranges: readonly MutationRange[], random: () => number): Mutation[] {
  const below = (limit: number): number => Math.floor(random() * limit);
  const place = (width: number): number => {
    const range = ranges[below(ranges.length)] ?? { offset: 0, length: image.sizeBytes };
    const at = range.offset + below(Math.max(1, range.length - width + 1));
    // Fields lie on multiples of their width more often than not.
    return random() < 0.8 ? Math.max(range.offset, at - (at % width)) : at;
  };
  return Array.from({ length: 1 + below(4) }, (): Mutation => {
    const width = [1, 2, 4, 8][below(4)] ?? 4;
    const offset = place(width);
    const old = image.peek(offset, width);
    switch (below(20)) {
      case 0:
        return { truncateTo: below(image.sizeBytes) };
      case 1: {
        const from = place(width);
        return { offset, hex: image.peek(from, width).toString('hex') };
      }
      case 2: {
        const length = 1 + below(64);
        return { offset, hex: Buffer.from(Array.from({ length }, () => below(256))).toString('hex') };
      }
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
      case 8: {
        const value = extremes[below(extremes.length)] ?? 0n;
        return { offset, hex: encoded(value, width, random() < 0.5) };
      }
      case 9:
      case 10:
      case 11:
      case 12: {
        const isBig = random() < 0.5;
        const value = isBig
          ? BigInt(`0x${old.toString('hex')}`)
          : BigInt(`0x${Buffer.from(old).reverse().toString('hex')}`);
        const change = BigInt([1, -1, 8, 512, -512, 4096, 65536, 1048576][below(8)] ?? 1);
        return { offset, hex: encoded(value + change, width, isBig) };
      }
      default: {
        const bit = below(width * 8);
        old.writeUInt8(old.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        return { offset, hex: old.toString('hex') };
      }
    }
  });
}

function encoded(value: bigint, width: number, isBigEndian: boolean): string {
  const bytes = Buffer.from(
    BigInt.asUintN(width * 8, value)
      .toString(16)
      .padStart(width * 2, '0'),
    'hex',
  );
  return (isBigEndian ? bytes : bytes.reverse()).toString('hex');
}

/** A mutated image that is worth trying in every run. */
export interface FoundMutations {
  /** What came of it when it was found: an error's code and field, without numbers. */
  answer: string;
  isResealed: boolean;
  mutations: Mutation[];
}

interface Corpus {
  of(image: string): readonly FoundMutations[];
  keep(image: string, found: FoundMutations): void;
}

export interface FuzzOptions {
  random: () => number;
  rounds: number;
  /** Attached to differencing layers that still open. */
  parent?: Disk;
  /** More to do with a layer that opened; the reads, extents and check that follow are done for every one. */
  exercise?: (layer: Layer) => Promise<void>;
  /** Repairs the file's checksums after the mutation, so that the fields behind them are reached. Called for every other round. */
  reseal?: (file: MemoryFile) => void;
  /** What is tried first, and the image's name there. */
  corpus?: { all: Corpus; image: string };
}

/** Limits of one round: processor time in ms, and bytes. */
const longestMs = 2000;
const largestAllocationBytes = 64 * 1024 * 1024;
const mostAllocatedBytes = 256 * 1024 * 1024;

/**
 * Opens mutated images, and reads, maps and checks those that open. Asserts that nothing but a CheckpointError comes out,
 * within two seconds of processor time, which is what a loaded machine makes of less than one, and without a wild allocation. A failure prints the mutations.
 */
export async function fuzzOpen(
  driver: FormatDriver,
  image: MemoryFile,
  ranges: readonly MutationRange[],
  options: FuzzOptions,
): Promise<{ opened: number; refused: Map<string, number> }> {
  const refused = new Map<string, number>();
  let opened = 0;
  const kept = options.corpus?.all.of(options.corpus.image) ?? [];
  for (let round = -kept.length; round < options.rounds; round++) {
    const { mutations, isResealed } = kept[kept.length + round] ?? {
      mutations: randomMutations(image, ranges, options.random),
      isResealed: options.reseal !== undefined && round % 2 === 1,
    };
    const file = mutated(image, mutations);
    if (isResealed) {
      options.reseal?.(file);
    }
    try {
      const error = await answerTo(driver, file, options);
      if (error === undefined) {
        opened++;
      } else {
        refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
        // Numbers tell which entry of a table it is, and there are many.
        const answer = `${error.code} ${String(error.data['field'])}`.replaceAll(/\d+/g, '#');
        options.corpus?.all.keep(options.corpus.image, { answer, isResealed, mutations });
      }
    } catch (error) {
      const found = JSON.stringify({ image: options.corpus?.image, answer: 'was wrong', isResealed, mutations });
      throw new Error(`Round ${round}; for the corpus: ${found}`, { cause: error });
    }
  }
  return { opened, refused };
}

/**
 * Opens one hostile image under the limits, and uses it when it opens.
 * @returns the error's code, or undefined when the image opened and could be read all through
 */
export async function openHostile(
  driver: FormatDriver,
  image: MemoryFile,
  options: Pick<FuzzOptions, 'random' | 'parent' | 'exercise'>,
): Promise<string | undefined> {
  return (await answerTo(driver, image, options))?.code;
}

async function answerTo(
  driver: FormatDriver,
  image: MemoryFile,
  options: Pick<FuzzOptions, 'random' | 'parent' | 'exercise'>,
): Promise<CheckpointError | undefined> {
  const watched = new WatchedFile(image);
  const allocations = watchAllocations();
  let refusal: CheckpointError | undefined;
  try {
    await use(driver, watched, options);
  } catch (error) {
    if (!(error instanceof CheckpointError)) {
      throw error;
    }
    refusal = error;
  } finally {
    allocations.stop();
  }
  assert.ok(watched.elapsedMs() < longestMs, `took ${watched.elapsedMs()} ms of processor time`);
  assert.ok(allocations.largest <= largestAllocationBytes, `allocated ${allocations.largest} bytes at once`);
  assert.ok(allocations.growth() <= mostAllocatedBytes, `held ${allocations.growth()} bytes more than before`);
  return refusal;
}

async function use(
  driver: FormatDriver,
  file: DiskFile,
  options: Pick<FuzzOptions, 'random' | 'parent' | 'exercise'>,
): Promise<void> {
  const layer = await driver.open({ file });
  try {
    if (layer.parentReference !== undefined && options.parent !== undefined) {
      layer.attachParent(options.parent);
    }
    await options.exercise?.(layer);
    const size = layer.virtualSizeBytes;
    const buffer = Buffer.alloc(Math.min(65536, size));
    let extents = 0;
    for await (const extent of layer.extents(0, size)) {
      assert.ok(extent.length > 0 && extent.offset + extent.length <= size, JSON.stringify(extent));
      if (++extents > 200) {
        break;
      }
    }
    for (let read = 0; read < 8; read++) {
      const last = size - buffer.length;
      await layer.read(buffer, read === 0 ? 0 : read === 1 ? last : Math.floor(options.random() * last));
    }
    await layer.check({ repair: false });
  } finally {
    await layer.close();
  }
}

/** Ends a round that does not end by itself: a loop that only ever awaits finished promises cannot be timed out. */
class WatchedFile implements DiskFile {
  readonly path: string;
  readonly isReadOnly = true;
  readonly #image: MemoryFile;
  readonly #began = process.cpuUsage();

  constructor(image: MemoryFile) {
    this.#image = image;
    this.path = image.path;
  }

  /** Processor time since the round began, in ms. */
  elapsedMs(): number {
    const { user, system } = process.cpuUsage(this.#began);
    return Math.round((user + system) / 1000);
  }

  size(): Promise<number> {
    return this.#image.size();
  }

  read(buffer: Buffer, offset: number): Promise<number> {
    if (this.elapsedMs() > longestMs) {
      throw new Error(`still reading after ${this.elapsedMs()} ms of processor time, at ${offset}`);
    }
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new Error(`a read at ${offset}`);
    }
    return this.#image.read(buffer, offset);
  }

  write(): Promise<void> {
    throw new Error('a write reached a file that is open for reading');
  }

  truncate(): Promise<void> {
    throw new Error('a truncate reached a file that is open for reading');
  }

  punchHole(): Promise<boolean> {
    throw new Error('a punchHole reached a file that is open for reading');
  }

  async sync(): Promise<void> {
    // Nothing was written.
  }

  async close(): Promise<void> {
    // Nothing is held.
  }
}

/** Sees what is asked of Buffer's allocating functions. Not node:test's mocks: those keep every call's buffer. */
function watchAllocations(): { readonly largest: number; growth(): number; stop(): void } {
  const before = process.memoryUsage.rss();
  let largest = 0;
  const names = ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const;
  const originals = names.map((name) => [name, Buffer[name].bind(Buffer)] as const);
  for (const [name, original] of originals) {
    const watching = (bytes: number, ...rest: []): Buffer => {
      largest = Math.max(largest, bytes);
      return original(bytes, ...rest);
    };
    Object.assign(Buffer, { [name]: watching });
  }
  return {
    get largest() {
      return largest;
    },
    growth: () => process.memoryUsage.rss() - before,
    stop: () => void Object.assign(Buffer, Object.fromEntries(originals)),
  };
}
