/** Calls that began in one span of time. */
export interface Generation {
  count: number;
  onEmpty?: () => void;
}

/**
 * Counts the calls that may still be using a host cluster that they looked up: a cluster that nothing refers to any more
 * is given to somebody else only when all calls that began before are done.
 */
export class Operations {
  #current: Generation = { count: 0 };
  #earlier: Promise<void> | undefined;

  begin(): Generation {
    this.#current.count++;
    return this.#current;
  }

  end(generation: Generation): void {
    generation.count--;
    if (generation.count === 0) {
      generation.onEmpty?.();
    }
  }

  /** Resolves when every call that has begun by now is done. Not to be awaited within such a call. */
  async quiesce(): Promise<void> {
    const ending = this.#current;
    if (ending.count > 0) {
      this.#current = { count: 0 };
      const earlier = this.#earlier;
      const ended = new Promise<void>((resolve) => (ending.onEmpty = resolve));
      this.#earlier = earlier === undefined ? ended : earlier.then(() => ended);
    }
    await this.#earlier;
  }
}
