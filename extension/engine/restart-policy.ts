/** Decides whether an engine that crashed is started again by itself: a few times, and never in a loop. */
export class RestartPolicy {
  readonly #limit: number;
  readonly #windowMs: number;
  #restarts: number[] = [];

  /** At most `limit` restarts within any `windowMs` milliseconds. */
  constructor(limit: number, windowMs: number) {
    this.#limit = limit;
    this.#windowMs = windowMs;
  }

  /** @param nowMs any clock that does not go back, in milliseconds */
  mayRestart(nowMs: number): boolean {
    this.#restarts = this.#restarts.filter((at) => nowMs - at < this.#windowMs);
    if (this.#restarts.length >= this.#limit) {
      return false;
    }
    this.#restarts.push(nowMs);
    return true;
  }

  /** Forgets earlier crashes: a person asked for a fresh start. */
  reset(): void {
    this.#restarts = [];
  }
}
