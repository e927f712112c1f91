import type { JobProgress } from '../protocol/jobs.ts';
import type { JobFolder } from './job-folder.ts';
import { RemainingTime } from './remaining-time.ts';

/** Progress is shown to people: five times a second is enough. */
const intervalMs = 200;

const longestMessage = 1000;

/** How many bytes are done, of how many. */
export interface ByteCount {
  doneBytes: number;
  totalBytes: number;
}

/** Writes the progress of a job, however often it is reported, a few times a second at most. */
export class JobProgressWriter {
  readonly #folder: JobFolder;
  readonly #remaining = new RemainingTime();
  #waiting: JobProgress | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #lastWriteMs = Number.NEGATIVE_INFINITY;

  constructor(folder: JobFolder) {
    this.#folder = folder;
  }

  /** @param fraction share done, from 0 to 1; told by `bytes` when absent */
  report(message: string, fraction?: number, bytes?: ByteCount): void {
    const share = shareDone(fraction, bytes);
    const remainingMs = share === undefined ? undefined : this.#remaining.update(share, performance.now());
    this.#waiting = {
      message: message.slice(0, longestMessage),
      ...(share === undefined ? {} : { fraction: share }),
      ...bytes,
      ...(remainingMs === undefined ? {} : { remainingMs }),
      updated: new Date().toISOString(),
    };
    this.#timer ??= setTimeout(() => this.#begin(), Math.max(0, this.#lastWriteMs + intervalMs - performance.now()));
  }

  /** Writes what was reported last. */
  async close(): Promise<void> {
    await this.#writing;
    clearTimeout(this.#timer);
    await this.#write();
  }

  #begin(): void {
    this.#writing = this.#write().finally(() => {
      this.#timer = this.#waiting === undefined ? undefined : setTimeout(() => this.#begin(), intervalMs);
    });
  }

  async #write(): Promise<void> {
    const progress = this.#waiting;
    this.#waiting = undefined;
    this.#lastWriteMs = performance.now();
    if (progress !== undefined) {
      // A full volume must not end the work that may be freeing it.
      await this.#folder.writeProgress(progress).catch(() => undefined);
    }
  }
}

function shareDone(fraction: number | undefined, bytes: ByteCount | undefined): number | undefined {
  const share = fraction ?? (bytes === undefined ? undefined : bytes.doneBytes / bytes.totalBytes);
  return share === undefined || Number.isNaN(share) ? undefined : Math.min(1, Math.max(0, share));
}
