import type { SpaceWarning } from '../protocol/space.ts';

/** What a volume had free at one time. */
export interface SpaceSample {
  /** Of a clock that nobody sets, in milliseconds. */
  atMs: number;
  freeBytes: number;
}

const mebibyte = 2 ** 20;

/** Below this a warning is due, however slowly the volume fills. */
const lowBytes = 2048 * mebibyte;
const lowShare = 0.1;

/** Below this a guest may run into the end at any moment. */
const criticalBytes = 256 * mebibyte;
const criticalShare = 0.02;

const lowMinutes = 30;
const criticalMinutes = 1;

/** A shorter look says nothing of the rate; an older one nothing of the present. */
const shortestSpanMs = 30_000;
const longestSpanMs = 5 * 60_000;

/** The samples that still say something: the latest minutes, and nothing from before space was freed. */
export function recentSamples(samples: readonly SpaceSample[], added: SpaceSample): SpaceSample[] {
  const last = samples.at(-1);
  if (last !== undefined && added.freeBytes > last.freeBytes) {
    return [added];
  }
  return [...samples.filter(({ atMs }) => added.atMs - atMs <= longestSpanMs), added];
}

/**
 * Whether a volume is going to be full, by what it has free and how fast that has become less.
 * @param samples oldest first; one of them at least
 * @returns undefined when there is nothing to fear
 */
export function forecast(
  samples: readonly SpaceSample[],
  sizeBytes: number,
): Pick<SpaceWarning, 'level' | 'freeBytes' | 'minutesLeft'> | undefined {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) {
    return undefined;
  }
  const { freeBytes } = last;
  const spanMs = last.atMs - first.atMs;
  const usedBytes = first.freeBytes - freeBytes;
  const minutesLeft =
    spanMs < shortestSpanMs || usedBytes <= 0 ? undefined : (freeBytes / usedBytes) * (spanMs / 60_000);
  const isBelow = (bytes: number, share: number, minutes: number): boolean =>
    freeBytes < Math.min(bytes, sizeBytes * share) || (minutesLeft !== undefined && minutesLeft < minutes);
  const level = isBelow(criticalBytes, criticalShare, criticalMinutes)
    ? 'critical'
    : isBelow(lowBytes, lowShare, lowMinutes)
      ? 'low'
      : undefined;
  return level === undefined
    ? undefined
    : { level, freeBytes, ...(minutesLeft === undefined ? {} : { minutesLeft: Math.floor(minutesLeft) }) };
}
