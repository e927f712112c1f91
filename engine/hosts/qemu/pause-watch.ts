import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { QmpConnection, QmpEvent } from './qmp.ts';

const resumeLimitMs = 10_000;
/** The guest may stand still until the check lets it run on. */
const intervalMs = 1;

/** Measures how long the guest stands still, by QEMU's own clock (QMP events `STOP` and `RESUME`). */
export class PauseWatch {
  readonly end: () => void;
  #stopped: number | undefined;
  #totalMs = 0;
  #hasResumed = false;

  constructor(monitor: QmpConnection) {
    this.end = monitor.onEvent((event) => {
      if (event.event === 'STOP') {
        this.#stopped ??= timeOf(event);
      } else if (event.event === 'RESUME' && this.#stopped !== undefined) {
        this.#totalMs += timeOf(event) - this.#stopped;
        this.#stopped = undefined;
        this.#hasResumed = true;
      }
    });
  }

  /** All pauses that have ended, in ms, to a tenth. */
  get totalMs(): number {
    return Math.round(this.#totalMs * 10) / 10;
  }

  /** Also for a second time, once the guest was stopped again. @param check throws when the guest will not go on by itself */
  async untilResumed(check: () => Promise<void> = async () => undefined): Promise<void> {
    const end = performance.now() + resumeLimitMs;
    while (!this.#hasResumed || this.#stopped !== undefined) {
      await check();
      if (performance.now() > end) {
        throw new CheckpointError('QmpTimeout', `The guest did not run on within ${resumeLimitMs / 1000} s.`, {});
      }
      await delay(intervalMs);
    }
  }
}

function timeOf({ timestamp }: QmpEvent): number {
  return timestamp.seconds * 1000 + timestamp.microseconds / 1000;
}
