/** What to ask the engine for again: some machines by name, or everything. */
export type RefreshScope = ReadonlySet<string> | 'all';

/**
 * Gathers announcements that come in a short time into one refresh, and lets one refresh run at a time: what is
 * announced meanwhile is the next one.
 */
export class RefreshQueue {
  readonly #delayMs: number;
  readonly #refresh: (scope: RefreshScope) => Promise<void>;
  #names = new Set<string>();
  #all = false;
  #timer: NodeJS.Timeout | undefined;
  #running = false;

  /** @param refresh must not reject */
  constructor(delayMs: number, refresh: (scope: RefreshScope) => Promise<void>) {
    this.#delayMs = delayMs;
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
    if (this.#timer === undefined && !this.#running && (this.#all || this.#names.size > 0)) {
      this.#timer = setTimeout(() => void this.#run(), this.#delayMs);
    }
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#running = true;
    const scope = this.#all ? 'all' : this.#names;
    this.#all = false;
    this.#names = new Set();
    await this.#refresh(scope);
    this.#running = false;
    this.#arm();
  }
}
