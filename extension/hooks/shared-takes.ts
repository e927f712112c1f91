/**
 * One checkpoint for debug sessions that start together. The editor does not say that sessions are those of a compound;
 * they come at the same time, or, where a debugger takes long over its configuration, shortly after one another.
 */

/** How much later than the checkpoint a further session of its compound may come and share it. In ms. */
const compoundMs = 30_000;

export interface Starting {
  name: string;
  /** Names of the sessions that start together with it, where it is started by a compound. */
  startedWith: readonly string[];
}

interface SharedTake<T> {
  /** Names of the sessions that wait, or waited, for it. */
  sessions: string[];
  taken: Promise<T | undefined>;
  /** In ms, as `now` counts; undefined while it is being taken. */
  ended?: number;
}

export class SharedTakes<T> {
  /** By what is taken. */
  readonly #last = new Map<string, SharedTake<T>>();
  readonly #now: () => number;

  /** @param now in ms, never going back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * @param key what is to be taken: sessions share what has the same
   * @param begin takes it; is handed the names of those who wait for it, which may become more
   * @returns what `begin` does; undefined when it could not be taken
   */
  take(
    key: string,
    { name, startedWith }: Starting,
    begin: (sessions: readonly string[]) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const last = this.#last.get(key);
    if (last !== undefined && (last.ended === undefined || this.#isOfCompound(last, last.ended, name, startedWith))) {
      last.sessions.push(name);
      return last.taken;
    }
    const sessions = [name];
    const shared: SharedTake<T> = { sessions, taken: this.#end(key, begin(sessions)) };
    this.#last.set(key, shared);
    return shared.taken;
  }

  /** A session that shares it already starts anew, and is another one. */
  #isOfCompound({ sessions }: SharedTake<T>, ended: number, name: string, startedWith: readonly string[]): boolean {
    return (
      this.#now() - ended <= compoundMs &&
      !sessions.includes(name) &&
      sessions.some((other) => startedWith.includes(other))
    );
  }

  async #end(key: string, taking: Promise<T | undefined>): Promise<T | undefined> {
    let taken: T | undefined;
    try {
      taken = await taking;
      return taken;
    } finally {
      const shared = this.#last.get(key);
      if (taken === undefined) {
        this.#last.delete(key);
      } else if (shared !== undefined) {
        shared.ended = this.#now();
      }
    }
  }
}
