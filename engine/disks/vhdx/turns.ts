/** Order among calls that overlap: one after another, one for each block, and all of them kept out for a while. */

/** Runs what it is given one after another. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** One holder at a time for each number. */
export class Locks {
  readonly #held = new Map<number, Promise<void>>();

  isHeld(key: number): boolean {
    return this.#held.has(key);
  }

  async hold<T>(key: number, work: () => Promise<T>): Promise<T> {
    for (let before = this.#held.get(key); before !== undefined; before = this.#held.get(key)) {
      await before;
    }
    let release = (): void => undefined;
    this.#held.set(key, new Promise((resolve) => (release = resolve)));
    try {
      return await work();
    } finally {
      this.#held.delete(key);
      release();
    }
  }
}

/** One call's stay inside a {@link Gate}. */
export interface Turn {
  active: number;
  readonly whenDrained: (() => void)[];
}

/** Lets calls in side by side, or one alone; and tells when all that were inside at some moment have left. */
export class Gate {
  /** Turns that began before some moment that somebody waits for, oldest first. */
  readonly #closed: Turn[] = [];
  #current: Turn = { active: 0, whenDrained: [] };
  #alone: Promise<void> | undefined;
  readonly #waiting = new Queue();

  get isAlone(): boolean {
    return this.#alone !== undefined;
  }

  /** To be left by {@link leave} in any case. Undefined while a call is alone inside: then {@link wait}. */
  enter(): Turn | undefined {
    if (this.#alone !== undefined) {
      return undefined;
    }
    this.#current.active++;
    return this.#current;
  }

  async wait(): Promise<Turn> {
    let turn = this.enter();
    while (turn === undefined) {
      await this.#alone;
      turn = this.enter();
    }
    return turn;
  }

  leave(turn: Turn): void {
    turn.active--;
    while (this.#closed[0]?.active === 0) {
      for (const callback of this.#closed.shift()?.whenDrained ?? []) {
        callback();
      }
    }
  }

  /** @param callback called once all calls that are inside now have left; at once when there are none */
  whenDrained(callback: () => void): void {
    const closing = this.#current;
    if (closing.active === 0 && this.#closed.length === 0) {
      callback();
      return;
    }
    closing.whenDrained.push(callback);
    this.#closed.push(closing);
    this.#current = { active: 0, whenDrained: [] };
    // An empty turn behind others that are not leaves together with the last of those.
  }

  /** Waits until nobody is inside, and keeps everybody out until the work is done. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#waiting.run(async () => {
      let open = (): void => undefined;
      this.#alone = new Promise((resolve) => (open = resolve));
      try {
        await new Promise<void>((resolve) => this.whenDrained(resolve));
        return await work();
      } finally {
        this.#alone = undefined;
        open();
      }
    });
  }
}
