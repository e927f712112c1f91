import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { isLockWanted, takeWanted, type Wanted, type YieldingOperation } from '../store/lock-wanted.ts';
import type { Call, EngineContext } from './engine-context.ts';
import type { OpenMachine } from './locked-machine.ts';
import { changeMachine } from './open-machine.ts';

/** What is as near to its end is not interrupted: whoever waits gets the machine sooner than it could be resumed. */
const nearlyDoneMs = 1500;
/** Whoever was given way to looks for the lock every few milliseconds. */
const wayMs = 500;
const retryMs = 250;
/** For so long others may have the machine before it is left to the next time. */
const patienceMs = 10 * 60_000;

/** How a round of work ended: with more to do, with nothing left, or for somebody else's sake. */
export type RoundEnd = { next: 'on' | 'end' } | { next: 'give way'; wanted: Wanted | undefined };

/**
 * Works on a machine in rounds, each with its lock. When a round gives way, others have the machine before the next.
 * @param what is paused then, such as `Merging layers`
 * @throws MachineNotFound, MachineDamaged, Locked when others do not let go of it; the call's own reason
 */
export async function inRounds(
  context: EngineContext,
  reference: string,
  { operation, what }: { operation: YieldingOperation; what: string },
  round: (machine: OpenMachine) => Promise<RoundEnd>,
  call: Call,
): Promise<void> {
  for (;;) {
    const end = await whenFree(call, () => changeMachine(context, reference, operation, round));
    if (end.next === 'end') {
      return;
    }
    if (end.next === 'give way') {
      const { operation: wish = 'change', face = 'another process' } = end.wanted ?? {};
      call.report?.(`${what} is paused for ${wish} by ${face}`);
      context.log.info(`Machine ${reference}: a ${operation} gives way to ${wish} by ${face}.`);
      await delay(wayMs, undefined, call.signal === undefined ? {} : { signal: call.signal });
    }
  }
}

/** Work that holds a machine's lock, and is aborted when somebody else wants that. */
export class InterruptibleWork {
  readonly #lock: string;
  readonly #call: Call;
  readonly #what: string;
  readonly #giveWay = new AbortController();
  readonly #started = performance.now();

  private constructor(lock: string, what: string, call: Call) {
    this.#lock = lock;
    this.#what = what;
    this.#call = call;
  }

  /** @param lock of the machine; whoever wanted it before has had it */
  static async begin(lock: string, what: string, call: Call): Promise<InterruptibleWork> {
    await takeWanted(lock);
    return new InterruptibleWork(lock, what, call);
  }

  /** Aborted when somebody wants the lock, and when the call is. */
  get signal(): AbortSignal {
    const { signal } = this.#call;
    return signal === undefined ? this.#giveWay.signal : AbortSignal.any([signal, this.#giveWay.signal]);
  }

  /** Tells how far it is, and looks for others. */
  readonly onBytes = (doneBytes: number, totalBytes: number): void => {
    const fraction = totalBytes === 0 ? 1 : doneBytes / totalBytes;
    this.#call.report?.(this.#what, fraction, { doneBytes, totalBytes });
    const leftMs = fraction === 0 ? Infinity : ((performance.now() - this.#started) * (1 - fraction)) / fraction;
    if (leftMs > nearlyDoneMs && isLockWanted(this.#lock)) {
      this.#giveWay.abort();
    }
  };

  /**
   * To be asked when the work has failed.
   * @returns undefined when it was not for somebody else's sake
   * @throws the call's own reason, when that was aborted
   */
  async interruption(): Promise<RoundEnd | undefined> {
    this.#call.signal?.throwIfAborted();
    return this.#giveWay.signal.aborted ? { next: 'give way', wanted: await takeWanted(this.#lock) } : undefined;
  }
}

/** Tries again while others change the machine. */
async function whenFree<T>(call: Call, act: () => Promise<T>): Promise<T> {
  const end = performance.now() + patienceMs;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof CheckpointError && error.code === 'Locked') || performance.now() > end) {
        throw error;
      }
    }
    call.report?.('Waiting until the machine is free');
    await delay(retryMs, undefined, call.signal === undefined ? {} : { signal: call.signal });
  }
}
