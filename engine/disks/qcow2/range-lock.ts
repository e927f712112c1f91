interface HeldRange {
  start: number;
  end: number;
  released: Promise<void>;
}

/** Lets calls that touch a common range of the guest's bytes run one after the other, and others at the same time. */
export class RangeLock {
  readonly #held = new Set<HeldRange>();

  async run<T>(start: number, end: number, work: () => Promise<T>): Promise<T> {
    let other: HeldRange | undefined;
    while ((other = this.#overlapping(start, end)) !== undefined) {
      await other.released;
    }
    let release: () => void = () => undefined;
    const range: HeldRange = { start, end, released: new Promise((resolve) => (release = resolve)) };
    this.#held.add(range);
    try {
      return await work();
    } finally {
      this.#held.delete(range);
      release();
    }
  }

  #overlapping(start: number, end: number): HeldRange | undefined {
    for (const range of this.#held) {
      if (range.start < end && start < range.end) {
        return range;
      }
    }
    return undefined;
  }
}
