/** Lets many pass at once, or one alone: reads and writes go together, what moves blocks goes by itself. */
export class Turns {
  #passing = 0;
  #alone: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  /** Runs together with others, as soon as nobody is alone. */
  async together<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) {
      await this.#alone;
    }
    this.#passing++;
    try {
      return await work();
    } finally {
      this.#passing--;
      if (this.#passing === 0) {
        this.#onEmpty?.();
      }
    }
  }

  /** Runs when those under way have finished, and lets nobody in meanwhile. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) {
      await this.#alone;
    }
    let done = (): void => undefined;
    this.#alone = new Promise((resolve) => (done = resolve));
    try {
      if (this.#passing > 0) {
        await new Promise<void>((resolve) => (this.#onEmpty = resolve));
      }
      return await work();
    } finally {
      this.#onEmpty = undefined;
      this.#alone = undefined;
      done();
    }
  }
}

/** Runs work of the same key one after another, of different keys at once. */
export class Queues {
  readonly #last = new Map<number, Promise<unknown>>();

  async run<T>(key: number, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const running = before === undefined ? work() : before.then(work, work);
    this.#last.set(key, running);
    try {
      return await running;
    } finally {
      if (this.#last.get(key) === running) {
        this.#last.delete(key);
      }
    }
  }
}
