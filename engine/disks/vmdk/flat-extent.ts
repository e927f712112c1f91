import type { DiskFile } from '../disk-file.ts';
import type { Extent, Fault } from '../disk.ts';
import { damagedField } from '../structure.ts';
import { readExactly } from './exact-read.ts';
import type { VmdkExtent } from './vmdk-extent.ts';

/** "Simple Extents": FLAT and VMFS, the content as it is, from some offset of a file. */
export class FlatExtent implements VmdkExtent {
  readonly lengthBytes: number;
  readonly #file: DiskFile;
  readonly #startBytes: number;

  private constructor(file: DiskFile, startBytes: number, lengthBytes: number) {
    this.#file = file;
    this.#startBytes = startBytes;
    this.lengthBytes = lengthBytes;
  }

  /** @throws ImageDamaged when the file does not hold the extent */
  static async open(file: DiskFile, startBytes: number, lengthBytes: number): Promise<FlatExtent> {
    const size = await file.size();
    if (startBytes + lengthBytes > size) {
      throw damagedField(
        file.path,
        'extent',
        `the descriptor says ${lengthBytes} bytes from byte ${startBytes}, and the file has ${size}`,
      );
    }
    return new FlatExtent(file, startBytes, lengthBytes);
  }

  read(buffer: Buffer, offset: number): Promise<void> {
    return readExactly(this.#file, buffer, this.#startBytes + offset, 'extent');
  }

  async *extents(offset: number, length: number, signal: AbortSignal | undefined): AsyncGenerator<Extent> {
    const start = this.#startBytes;
    const end = offset + length;
    for (let at = offset; at < end;) {
      signal?.throwIfAborted();
      const found =
        this.#file.nextData === undefined
          ? { offset: start + at, length: end - at }
          : await this.#file.nextData(start + at);
      const dataStart = Math.min(found === undefined ? end : found.offset - start, end);
      if (dataStart > at) {
        yield { offset: at, length: dataStart - at, state: 'zero' };
      }
      at = Math.min(found === undefined ? end : found.offset + found.length - start, end);
      if (at > dataStart) {
        yield { offset: dataStart, length: at - dataStart, state: 'data', fileOffset: start + dataStart };
      }
    }
  }

  async check(): Promise<Fault[]> {
    return [];
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** An extent of the type ZERO: no file, no data. */
export class ZeroExtent implements VmdkExtent {
  readonly lengthBytes: number;

  constructor(lengthBytes: number) {
    this.lengthBytes = lengthBytes;
  }

  async read(buffer: Buffer): Promise<void> {
    buffer.fill(0);
  }

  async *extents(offset: number, length: number): AsyncGenerator<Extent> {
    if (length > 0) {
      yield { offset, length, state: 'zero' };
    }
  }

  async check(): Promise<Fault[]> {
    return [];
  }

  async close(): Promise<void> {
    // There is no file.
  }
}
