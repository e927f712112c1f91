import { endianness } from 'node:os';
import { unusedEntry } from './block-allocation-table.ts';
import { sectorBytes } from './footer.ts';
import type { SparseImage } from './sparse-image.ts';

/** Half of a 64-bit key, as 32-bit words lie in memory. */
const highWord = endianness() === 'LE' ? 1 : 0;

/** The blocks of a file in the order in which they lie there. Takes 8 bytes a block: 64 MiB for the most blocks there can be. */
export class BlockList {
  readonly count: number;
  /** Pairs of a block's entry (high) and its index (low). */
  readonly #words: Uint32Array;

  private constructor(words: Uint32Array) {
    this.#words = words;
    this.count = words.length / 2;
  }

  static async of(image: SparseImage, signal: AbortSignal | undefined): Promise<BlockList> {
    let count = 0;
    for await (const run of image.table.scan(signal)) {
      for (let at = 0; at < run.count; at++) {
        count += run.entry(at) === unusedEntry ? 0 : 1;
      }
    }
    const keys = new BigUint64Array(count);
    const words = new Uint32Array(keys.buffer);
    let next = 0;
    for await (const run of image.table.scan(signal)) {
      for (let at = 0; at < run.count; at++) {
        const entry = run.entry(at);
        if (entry !== unusedEntry) {
          words[next + highWord] = entry;
          words[next + 1 - highWord] = run.firstIndex + at;
          next += 2;
        }
      }
    }
    keys.sort();
    return new BlockList(words);
  }

  /** @param place from 0, by rising file offset */
  indexAt(place: number): number {
    return this.#words[place * 2 + 1 - highWord] ?? 0;
  }

  /** Where a block begins in the file, bytes. */
  offsetAt(place: number): number {
    return (this.#words[place * 2 + highWord] ?? 0) * sectorBytes;
  }
}
