import { watch, type FSWatcher } from 'node:fs';

/** Waits for changes in one folder. The system's notices come first; a look now and then stands in where it gives none. */
export class FolderWatch {
  readonly #watcher: FSWatcher | undefined;
  #hasChanged = false;
  #wake: (() => void) | undefined;

  constructor(folder: string) {
    try {
      this.#watcher = watch(folder, () => {
        this.#hasChanged = true;
        this.#wake?.();
      });
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // Gone, or more watches than the system allows.
      this.#watcher = undefined;
    }
  }

  /**
   * Resolves once something has changed since the last call, after `limitMs` at the latest, or when the signal is
   * aborted. Only one call at a time.
   */
  async change(limitMs: number, signal?: AbortSignal): Promise<void> {
    if (!this.#hasChanged && signal?.aborted !== true) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => this.#wake?.(), limitMs);
        this.#wake = () => {
          this.#wake = undefined;
          clearTimeout(timer);
          signal?.removeEventListener('abort', onAbort);
          resolve();
        };
        const onAbort = this.#wake;
        signal?.addEventListener('abort', onAbort);
      });
    }
    this.#hasChanged = false;
  }

  close(): void {
    this.#watcher?.close();
  }
}
