import type { DiskFile } from './disk-file.ts';

/**
 * A file while an image is being opened: its structures are many and small and lie close together, so that a few pieces
 * are read in one go each, and what lies in them is had from memory. Only as long as nobody writes.
 */
export class PiecesRead {
  readonly path: string;
  readonly #file: Pick<DiskFile, 'path' | 'read'>;
  readonly #pieces: { offset: number; bytes: Buffer }[] = [];

  constructor(file: Pick<DiskFile, 'path' | 'read'>) {
    this.path = file.path;
    this.#file = file;
  }

  /** Fills a buffer with a piece of the file; where the file ends before, as much of it as there is. */
  async fetch(buffer: Buffer, offset: number): Promise<void> {
    const found = await this.#file.read(buffer, offset);
    this.#pieces.push({ offset, bytes: buffer.subarray(0, found) });
  }

  /**
   * @param length in bytes; bounded by the caller
   * @returns fewer bytes only at the end of the file; they share their memory with the piece that they lie in
   */
  async bytes(offset: number, length: number): Promise<Buffer> {
    const piece = this.#pieces.find((one) => one.offset <= offset && offset + length <= one.offset + one.bytes.length);
    if (piece !== undefined) {
      return piece.bytes.subarray(offset - piece.offset, offset - piece.offset + length);
    }
    const buffer = Buffer.allocUnsafe(length);
    return buffer.subarray(0, await this.#file.read(buffer, offset));
  }
}
