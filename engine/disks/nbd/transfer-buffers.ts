import { nbdLimits } from './limits.ts';

/** Before the data of every buffer there is room for a reply's header, so that both leave in one write. */
export const headroomBytes = 64;

interface SizeClass {
  dataBytes: number;
  /** Most buffers that are kept for the next ones. */
  most: number;
  kept: Buffer[];
}

/**
 * Memory for pieces of transfers, used again and again: fresh memory of this size costs as much to map as to fill.
 * It keeps a few buffers; more than that are left to the garbage collector.
 */
export class TransferBuffers {
  readonly #classes: readonly SizeClass[] = [
    { dataBytes: 16 * 1024, most: 256, kept: [] },
    { dataBytes: 64 * 1024, most: 32, kept: [] },
    { dataBytes: nbdLimits.pieceBytes, most: 16, kept: [] },
  ];

  /** @param length of the data, at most a piece's. @returns a buffer with at least {@link headroomBytes} more */
  take(length: number): Buffer {
    const { kept, dataBytes } = this.#classOf(length);
    return kept.pop() ?? Buffer.allocUnsafeSlow(headroomBytes + dataBytes);
  }

  /** What {@link take} holds for a length; that is what counts against a client's limit. */
  sizeFor(length: number): number {
    return this.#classOf(length).dataBytes;
  }

  /** Gives a buffer back that nobody reads or writes any more. */
  give(buffer: Buffer): void {
    const { kept, most } = this.#classOf(buffer.length - headroomBytes);
    if (kept.length < most) {
      kept.push(buffer);
    }
  }

  #classOf(length: number): SizeClass {
    const found = this.#classes.find(({ dataBytes }) => length <= dataBytes);
    if (found === undefined) {
      throw new Error(`No piece has ${length} bytes`);
    }
    return found;
  }
}
