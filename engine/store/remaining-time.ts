/** How long the past counts: after this time, the rate of then weighs 1/e of the rate of now. */
const memoryMs = 10_000;

/** Nothing is foretold from less than this. */
const shortestMs = 1000;

/** Beyond this, the work stands still rather than being slow. */
const longestMs = 30 * 24 * 60 * 60 * 1000;

/** Foretells when work will be done, from the rate of late, so that one slow or quick moment does not make it jump. */
export class RemainingTime {
  #first: { fraction: number; atMs: number } | undefined;
  #last = { fraction: 0, atMs: 0 };
  #smoothed = 0;

  /**
   * @param fraction share done, from 0 to 1; when it falls, other work has begun and the past is forgotten
   * @param atMs a clock that never goes back
   * @returns milliseconds from `atMs` until all is done; undefined while that cannot be told
   */
  update(fraction: number, atMs: number): number | undefined {
    if (this.#first === undefined || fraction < this.#last.fraction) {
      this.#first = this.#last = { fraction, atMs };
      this.#smoothed = 0;
      return undefined;
    }
    const elapsedMs = atMs - this.#last.atMs;
    if (elapsedMs > 0) {
      const kept = Math.exp(-elapsedMs / memoryMs);
      this.#smoothed = this.#smoothed * kept + ((fraction - this.#last.fraction) / elapsedMs) * (1 - kept);
      this.#last = { fraction, atMs };
    }
    const knownMs = atMs - this.#first.atMs;
    // The weights of a past that short do not add up to 1 yet.
    const rate = this.#smoothed / (1 - Math.exp(-knownMs / memoryMs));
    const remainingMs = (1 - fraction) / rate;
    return knownMs < shortestMs || !(remainingMs <= longestMs) ? undefined : Math.round(remainingMs);
  }
}
