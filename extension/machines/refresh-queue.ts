/** What to ask the engine for again: some machines by name, or everything. */
export type RefreshScope = ReadonlySet<string> | 'all';

/**
 * Refreshes at once what is announced after a while of silence, gathers what follows shortly into the next refresh, and lets
 * one run at a time.
 */
export class RefreshQueue {
  readonly #restMs: number;
  readonly #refresh: (scope: RefreshScope) => Promise<void>;
  #names = new Set<string>();
  #all = false;
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #rests = false;

  /**
   * @param restMs from the end of one refresh to the next
   * @param refresh must not reject
   */
  constructor(restMs: number, refresh: (scope: RefreshScope) => Promise<void>) {
    this.#restMs = restMs;
    this.#refresh = refresh;
  }

  add(scope: RefreshScope): void {
    if (scope === 'all') {
      this.#all = true;
    } else {
      for (const name of scope) {
        this.#names.add(name);
      }
    }
    this.#arm();
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#all = false;
    this.#names.clear();
  }

  #arm(): void {
    if (this.#timer === undefined && !this.#running && !this.#rests && (this.#all || this.#names.size > 0)) {
      // What is announced in one go is one.
      this.#timer = setTimeout(() => void this.#run(), 0);
    }
  }

  async #run(): Promise<void> {
    this.#running = true;
    const scope = this.#all ? 'all' : this.#names;
    this.#all = false;
    this.#names = new Set();
    await this.#refresh(scope);
    this.#running = false;
    this.#rests = true;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#rests = false;
      this.#arm();
    }, this.#restMs);
  }
}
