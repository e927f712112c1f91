import { setTimeout as delay } from 'node:timers/promises';

/** Bounds of a wait; `intervalMilliseconds` is the pause between two probes. */
export interface WaitOptions {
  readonly timeoutMilliseconds: number;
  readonly intervalMilliseconds?: number;
}

/**
 * Probes until there is an answer and returns it. A probe answers by returning anything but `undefined` or `false`.
 * @param what completes the sentence "waited 5 s for …"; a function is asked only once the time is up
 * @throws when the time is up
 */
export async function until<T>(
  what: string | (() => string | Promise<string>),
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  { timeoutMilliseconds, intervalMilliseconds = 50 }: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + timeoutMilliseconds;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() >= deadline) {
      const description = typeof what === 'string' ? what : await what();
      throw new Error(`waited ${timeoutMilliseconds / 1000} s for ${description}`);
    }
    await delay(intervalMilliseconds);
  }
}
