interface Changed<T> {
  value: T;
  version: number;
}

/**
 * Keeps the values that were used last, up to a number, and all that were changed and are not stored yet. A value is one
 * object for everyone: it is loaded once, however many ask for it.
 */
export class BoundedCache<T> {
  readonly #capacity: number;
  readonly #load: (key: number) => Promise<T>;
  /** Two generations: when the younger is full, the older goes. */
  #younger = new Map<number, T>();
  #older = new Map<number, T>();
  readonly #changed = new Map<number, Changed<T>>();
  readonly #loading = new Map<number, Promise<T>>();
  #version = 0;

  /** @param capacity number of unchanged values to keep */
  constructor(capacity: number, load: (key: number) => Promise<T>) {
    this.#capacity = Math.max(1, capacity >> 1);
    this.#load = load;
  }

  get changedCount(): number {
    return this.#changed.size;
  }

  /** The value when it is in memory. */
  peek(key: number): T | undefined {
    const young = this.#younger.get(key);
    if (young !== undefined) {
      return young;
    }
    const value = this.#changed.get(key)?.value ?? this.#older.get(key);
    if (value !== undefined) {
      this.#keep(key, value);
    }
    return value;
  }

  async get(key: number): Promise<T> {
    const value = this.peek(key);
    if (value !== undefined) {
      return value;
    }
    const running = this.#loading.get(key);
    if (running !== undefined) {
      return running;
    }
    const loading = this.#load(key).then((loaded) => {
      // Something else may have been put in its place meanwhile.
      const current = this.peek(key) ?? loaded;
      this.#keep(key, current);
      return current;
    });
    this.#loading.set(key, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(key);
    }
  }

  /** Marks a value as changed: it stays until {@link settle}. */
  change(key: number, value: T): void {
    this.#changed.set(key, { value, version: ++this.#version });
    this.#keep(key, value);
  }

  /** What is changed now, to be given to {@link settle} once it is stored. */
  changes(): { key: number; value: T; version: number }[] {
    return [...this.#changed].map(([key, { value, version }]) => ({ key, value, version }));
  }

  /** Takes a change for stored, unless the value was changed again since. */
  settle({ key, version }: { key: number; version: number }): void {
    if (this.#changed.get(key)?.version === version) {
      this.#changed.delete(key);
    }
  }

  /** Forgets everything; what was changed and not stored is lost. */
  clear(): void {
    this.#younger.clear();
    this.#older.clear();
    this.#changed.clear();
  }

  forget(key: number): void {
    this.#younger.delete(key);
    this.#older.delete(key);
    this.#changed.delete(key);
  }

  #keep(key: number, value: T): void {
    if (this.#younger.size >= this.#capacity) {
      this.#older = this.#younger;
      this.#younger = new Map();
    }
    this.#younger.set(key, value);
  }
}
