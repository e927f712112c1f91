import { AsyncLocalStorage } from 'node:async_hooks';
import { readFileSync, writeFileSync } from 'node:fs';
import { FaultPlan, type Fault, type Verdict } from './fault.ts';
import { interceptChanges, type Subject } from './intercept.ts';

const real = { readFileSync, writeFileSync };
const running = new AsyncLocalStorage<EngineRun>();
interceptChanges(() => running.getStore());

export type Outcome<T> = { kind: 'done'; value: T } | { kind: 'failed'; error: unknown } | { kind: 'died' };

/**
 * What one engine does, in this process but as if in one of its own, that can be killed at any call which changes
 * something: from then on nothing that it calls happens or comes back, and its files are closed, as the kernel does,
 * with the locks on them. A thousand such deaths cost what ten real ones do.
 */
export class EngineRun implements Subject {
  readonly isSynced = false;
  readonly #plan: FaultPlan;
  readonly #open = new Map<unknown, { place: string | undefined; close: () => unknown }>();
  #underWay = 0;
  #isDead = false;
  #onDeath: () => void = () => undefined;

  private constructor(fault: Fault | undefined) {
    this.#plan = new FaultPlan(fault);
  }

  /** @returns how it ended, how many calls changed something, and whether the fault's turn came */
  static async of<T>(
    fault: Fault | undefined,
    work: () => Promise<T>,
  ): Promise<{ outcome: Outcome<T>; calls: number; hasStruck: boolean }> {
    const run = new EngineRun(fault);
    const death = new Promise<Outcome<T>>((resolve) => {
      run.#onDeath = () => resolve({ kind: 'died' });
    });
    const life = running.run(run, async (): Promise<Outcome<T>> => {
      try {
        return { kind: 'done', value: await work() };
      } catch (error) {
        return { kind: 'failed', error };
      }
    });
    const outcome = await Promise.race([life, death]);
    if (run.#isDead) {
      await run.#bury();
    }
    return { outcome, calls: run.#plan.calls, hasStruck: run.#plan.hasStruck };
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  next(call: string, place: string | undefined, needsSpace: boolean): Verdict {
    return this.#plan.next(call, place, needsSpace);
  }

  die(): void {
    this.#isDead = true;
    this.#onDeath();
  }

  began(): void {
    this.#underWay += 1;
  }

  ended(): void {
    this.#underWay -= 1;
  }

  opened(key: unknown, place: string | undefined, close: () => unknown): void {
    this.#open.set(key, { place, close });
  }

  closed(key: unknown): void {
    this.#open.delete(key);
  }

  /** A call that was on its way when another one was the last still comes to its end, as in the kernel. */
  async #bury(): Promise<void> {
    while (this.#underWay > 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const { place, close } of this.#open.values()) {
      await close();
      if (place !== undefined) {
        renounce(place);
      }
    }
    this.#open.clear();
  }
}

/**
 * The process number that a lock's file gives is still that of a living process, this one. Another identity makes it
 * the number of a dead one.
 */
function renounce(file: string): void {
  let holder: unknown;
  try {
    holder = JSON.parse(real.readFileSync(file, 'utf8'));
  } catch {
    return;
  }
  if (typeof holder === 'object' && holder !== null && 'pid' in holder && 'face' in holder) {
    real.writeFileSync(file, JSON.stringify({ ...holder, identity: 'dead' }));
  }
}
