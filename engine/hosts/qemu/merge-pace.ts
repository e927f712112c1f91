/**
 * When the active layer goes, QEMU copies what it holds, and again what the guest has written meanwhile, until nothing is left. A
 * guest that writes faster than QEMU copies would never let it end: its disk is slowed down then, more and more, and the merge
 * given up when that does not help. (libvirt and oVirt wait, up to a time limit if they are given one.)
 */

/** What a job tells of itself. */
export interface Copied {
  /** Of any clock that nobody sets. */
  atMs: number;
  doneBytes: number;
  /** As far as is known at this moment: the guest adds to it. */
  leftBytes: number;
}

export interface Pace {
  /** At the beginning of the present window. */
  since: Copied;
  /** What the guest may write. Absent as long as it is not slowed down. */
  limit?: {
    bytesPerSecond: number;
    sinceMs: number;
    /** When it was last seen to help, or to change. */
    hopedMs: number;
  };
}

/** Long enough for a guest that writes in gusts to draw breath. */
export const windowMs = 2000;
/** When less than this part of what was copied got it nearer to the end, the guest outruns it. */
const leastGain = 0.2;
/** A guest that may write less than this hardly writes at all. */
const leastBytesPerSecond = 256 * 1024;
/** For so long a guest is slowed down to that without any effect. */
const hopelessMs = 10_000;
/** For so long a guest is slowed down at all. */
export const longestLimitMs = 120_000;

/** @returns the pace from now on, and whether the merge is to be given up */
export function nextPace(pace: Pace | undefined, now: Copied): { pace: Pace; isGivenUp: boolean } {
  if (pace === undefined) {
    return { pace: { since: now }, isGivenUp: false };
  }
  const { since, limit } = pace;
  if (limit !== undefined && now.atMs - limit.sinceMs >= longestLimitMs) {
    return { pace, isGivenUp: true };
  }
  const copiedBytes = now.doneBytes - since.doneBytes;
  const elapsedMs = now.atMs - since.atMs;
  // A disk that copies nothing for a while is slow, and the guest not to blame.
  if (elapsedMs < windowMs || copiedBytes <= 0) {
    return { pace, isGivenUp: false };
  }
  if (since.leftBytes - now.leftBytes >= leastGain * copiedBytes) {
    const helped = limit === undefined ? {} : { limit: { ...limit, hopedMs: now.atMs } };
    return { pace: { since: now, ...helped }, isGivenUp: false };
  }
  if (limit?.bytesPerSecond === leastBytesPerSecond) {
    return { pace: { since: now, limit }, isGivenUp: now.atMs - limit.hopedMs >= hopelessMs };
  }
  const halfAsFast = (limit?.bytesPerSecond ?? (copiedBytes / elapsedMs) * 1000) / 2;
  const bytesPerSecond = Math.max(leastBytesPerSecond, Math.floor(halfAsFast));
  return {
    pace: { since: now, limit: { bytesPerSecond, sinceMs: limit?.sinceMs ?? now.atMs, hopedMs: now.atMs } },
    isGivenUp: false,
  };
}
