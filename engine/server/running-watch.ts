import type { MachineState } from '../protocol/machines.ts';

/** What is lost at most when a machine ends with no engine looking: its last minute. */
const intervalMs = 60_000;

/** Puts on record, from time to time, which machines still run: a process that dies later tells nobody how long it ran. */
export class RunningWatch {
  readonly #note: (machine: string, state: 'running' | 'paused') => Promise<void>;
  readonly #notedAt = new Map<string, number>();

  constructor(note: (machine: string, state: 'running' | 'paused') => Promise<void>) {
    this.#note = note;
  }

  /** To be called often. @param nowMs of a clock that nobody sets */
  async look(states: ReadonlyMap<string, MachineState>, nowMs = performance.now()): Promise<void> {
    for (const [machine, state] of states) {
      const isDue = nowMs - (this.#notedAt.get(machine) ?? Number.NEGATIVE_INFINITY) >= intervalMs;
      if ((state === 'running' || state === 'paused') && isDue) {
        this.#notedAt.set(machine, nowMs);
        await this.#note(machine, state);
      }
    }
  }
}
