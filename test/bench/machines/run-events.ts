import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const limitMs = 10_000;
const told = z.object({ event: z.string(), timestamp: z.object({ seconds: z.number(), microseconds: z.number() }) });

/** A moment in which QEMU let its guest run, or stand still. */
export interface RunEvent {
  event: string;
  /** By the clock of the day, as QEMU saw it, in ms. */
  at: number;
}

export type ReadEvents = () => Promise<RunEvent[]>;

/** @param file to which a QEMU tells its events, a line each */
export async function eventsIn(file: string): Promise<RunEvent[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    const found = told.safeParse(parse(line)).data;
    return found === undefined
      ? []
      : [{ event: found.event, at: found.timestamp.seconds * 1000 + found.timestamp.microseconds / 1000 }];
  });
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Waits for a guest to run on. @param since by the clock of the day @returns when it did */
export async function resumedAfter(read: ReadEvents, since: number): Promise<number> {
  const end = performance.now() + limitMs;
  for (;;) {
    const resumed = (await read()).find(({ event, at }) => event === 'RESUME' && at >= since);
    if (resumed !== undefined) {
      return resumed.at;
    }
    if (performance.now() > end) {
      throw new Error(`QEMU did not say within ${limitMs} ms that its guest ran on.`);
    }
    await delay(10);
  }
}

/** How long the guest of which they tell stood still from a moment on, in ms. */
export function pausedSince(events: readonly RunEvent[], since: number): number {
  let stopped: number | undefined;
  let total = 0;
  for (const { event, at } of events) {
    if (event === 'STOP' && at >= since) {
      stopped ??= at;
    } else if (event === 'RESUME' && stopped !== undefined) {
      total += at - stopped;
      stopped = undefined;
    }
  }
  return total;
}
