/** Which units (MiB) of a file are in use: one bit each. */
export class UnitMap {
  /** 256 TiB of file in 32 MiB of memory. */
  static readonly mostUnits: number = 2 ** 28;
  readonly #bits: Buffer;
  readonly #units: number;
  #taken = 0;
  #end = 0;
  /** No gap of so many units begins before the unit that is kept for it. */
  readonly #firstGap = new Map<number, number>();

  constructor(units: number) {
    this.#units = units;
    this.#bits = Buffer.alloc(Math.ceil(units / 8));
  }

  get takenUnits(): number {
    return this.#taken;
  }

  /** Behind the last unit that is in use. */
  get endUnit(): number {
    return this.#end;
  }

  isTaken(unit: number): boolean {
    return ((this.#bits[unit >> 3] ?? 0) & (1 << (unit & 7))) !== 0;
  }

  /** @returns false when a part of the range was in use before, or lies outside */
  take(from: number, to: number): boolean {
    let isNew = to <= this.#units;
    for (let unit = from; unit < Math.min(to, this.#units); unit++) {
      if (this.isTaken(unit)) {
        isNew = false;
      } else {
        this.#bits[unit >> 3] = (this.#bits[unit >> 3] ?? 0) | (1 << (unit & 7));
        this.#taken++;
      }
    }
    this.#end = Math.max(this.#end, Math.min(to, this.#units));
    return isNew;
  }

  /** The first free range of so many units that ends at or before a limit. */
  findGap(units: number, limit: number): number | undefined {
    let start = this.#firstGap.get(units) ?? 0;
    let unit = start;
    while (unit < limit && unit - start < units) {
      if ((unit & 7) === 0 && this.#bits[unit >> 3] === 0xff) {
        unit += 8;
        start = unit;
      } else if (this.isTaken(unit)) {
        unit++;
        start = unit;
      } else {
        unit++;
      }
    }
    this.#firstGap.set(units, start);
    return unit - start >= units && start + units <= limit ? start : undefined;
  }

  /** Free ranges before the last unit in use. */
  *gaps(): Generator<{ from: number; to: number }> {
    for (let unit = 0; unit < this.#end; unit++) {
      if (!this.isTaken(unit)) {
        const from = unit;
        while (unit < this.#end && !this.isTaken(unit)) {
          unit++;
        }
        yield { from, to: unit };
      }
    }
  }
}
