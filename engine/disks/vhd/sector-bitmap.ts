/** Number of ones in each byte. */
const onesOfByte = Uint8Array.from({ length: 256 }, (_, byte) => {
  let ones = 0;
  for (let rest = byte; rest > 0; rest >>= 1) {
    ones += rest & 1;
  }
  return ones;
});

/**
 * Which sectors of a block are in the file: the bitmap before the block's data (VHD 1.0, "Block Allocation Table and
 * Data Blocks"). The most significant bit of the first byte is the block's first sector.
 */
export class SectorBitmap {
  readonly sectors: number;
  #bits: Buffer | undefined;
  #ones: number;

  private constructor(sectors: number, bits: Buffer | undefined, ones: number) {
    this.sectors = sectors;
    this.#bits = bits;
    this.#ones = ones;
  }

  static full(sectors: number): SectorBitmap {
    return new SectorBitmap(sectors, undefined, sectors);
  }

  static empty(sectors: number): SectorBitmap {
    return new SectorBitmap(sectors, Buffer.alloc(Math.ceil(sectors / 8)), 0);
  }

  /** @param stored from the file; bits behind the last sector are padding */
  static from(stored: Buffer, sectors: number): SectorBitmap {
    const bits = Buffer.from(stored.subarray(0, Math.ceil(sectors / 8)));
    const padding = bits.length * 8 - sectors;
    if (padding > 0) {
      const last = bits.length - 1;
      bits.writeUInt8(bits.readUInt8(last) & (0xff << padding) & 0xff, last);
    }
    let ones = 0;
    for (const byte of bits) {
      ones += onesOfByte[byte] ?? 0;
    }
    return new SectorBitmap(sectors, ones === sectors ? undefined : bits, ones);
  }

  get isFull(): boolean {
    return this.#ones === this.sectors;
  }

  get isEmpty(): boolean {
    return this.#ones === 0;
  }

  has(sector: number): boolean {
    return this.#bits === undefined || ((this.#bits[sector >> 3] ?? 0) & (0x80 >> (sector & 7))) !== 0;
  }

  /** Where the run of sectors that are all in the file, or all not, ends: after `sector`, at `limit` at the latest. */
  runEnd(sector: number, limit: number): number {
    const bits = this.#bits;
    if (bits === undefined) {
      return limit;
    }
    const value = this.has(sector);
    const skipped = value ? 0xff : 0;
    let at = sector + 1;
    while (at < limit) {
      if ((at & 7) === 0 && bits[at >> 3] === skipped) {
        at += 8;
      } else if (this.has(at) === value) {
        at++;
      } else {
        return at;
      }
    }
    return limit;
  }

  hasAll(from: number, to: number): boolean {
    return this.#bits === undefined || (this.has(from) && this.runEnd(from, to) === to);
  }

  /** @returns whether anything changed */
  set(from: number, to: number): boolean {
    const bits = this.#bits;
    const before = this.#ones;
    if (bits === undefined) {
      return false;
    }
    for (let at = from; at < to;) {
      const end = Math.min(to, (at | 7) + 1);
      const mask = (0xff >> (at & 7)) & (0xff << ((8 - (end & 7)) & 7));
      const old = bits[at >> 3] ?? 0;
      bits[at >> 3] = old | mask;
      this.#ones += onesOfByte[mask & 0xff & ~old] ?? 0;
      at = end;
    }
    if (this.isFull) {
      this.#bits = undefined;
    }
    return this.#ones !== before;
  }

  /** As it is to be stored, in a buffer of its own. Padding bits are zero. */
  toBytes(bytes: number): Buffer {
    const stored = Buffer.alloc(bytes);
    if (this.#bits !== undefined) {
      this.#bits.copy(stored);
    } else {
      stored.fill(0xff, 0, this.sectors >> 3);
      if ((this.sectors & 7) !== 0) {
        stored.writeUInt8((0xff << (8 - (this.sectors & 7))) & 0xff, this.sectors >> 3);
      }
    }
    return stored;
  }
}
