import { windowEnded } from '../checkpoints/window-end.ts';

/** The requests that are being carried out, so that the engine does not end in the middle of one. */
export class CallsUnderWay {
  readonly #calls = new Map<AbortController, Promise<unknown>>();

  /** Carries a call out; the signal it gets is aborted by `cancel`, and by {@link end}. */
  async run<T>(cancel: AbortController, call: () => Promise<T>): Promise<T> {
    const running = call();
    this.#calls.set(cancel, running);
    try {
      return await running;
    } finally {
      this.#calls.delete(cancel);
    }
  }

  /** Tells all calls that the window has ended, and waits until each has undone what it began, or come to its end. */
  async end(): Promise<void> {
    for (const cancel of this.#calls.keys()) {
      cancel.abort(windowEnded);
    }
    await Promise.allSettled(this.#calls.values());
  }
}
