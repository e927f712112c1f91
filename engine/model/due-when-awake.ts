/** A checkpoint whose time is over, or that no rule keeps any more. */
export interface DueCheckpoint {
  id: string;
  /** When it became due, ISO 8601; absent when that is not a matter of the clock: it is due by what somebody did. */
  since?: string;
}

/** One look at two clocks of the computer. */
export interface ClockReading {
  /** What the clock shows, in milliseconds since 1970. */
  wallMs: number;
  /** Since the computer was started, its sleep included. */
  uptimeMs: number;
  /** Tells one run of the computer from another. */
  boot: string;
}

/** What is remembered from one look for what is due to the next. */
export interface DueRecord {
  last: ClockReading;
  /** How far the clock was set while the computer was on, and when it was seen. */
  jump?: { byMs: number; atUptimeMs: number };
  /** When something that had become due with nobody there was first seen, by id of the checkpoint, in milliseconds since 1970. */
  noticed: Readonly<Record<string, number>>;
}

/** Looks that are no further apart follow each other; the server looks every quarter of an hour. */
const attendedMs = 30 * 60 * 1000;
/** For pinning, after a computer woke up, what became due while it slept. */
const graceMs = 60 * 60 * 1000;
const toleratedMs = 5 * 60 * 1000;
/** After which a clock that was set counts as right. */
const believedAfterMs = 24 * 60 * 60 * 1000;

/**
 * Which of the checkpoints that are due go by themselves at this look.
 *
 * - What became due between two looks that follow each other goes at once.
 * - What became due while the computer slept, or no engine ran, is noticed, and goes at the first look an hour later; of
 *   such, half at each look, the oldest first, and at least one.
 * - While the clock is off by having been set (by more than 5 minutes, forth or back), nothing goes by it for a day, unless
 *   it is set back before. That is seen by the time that the computer has been on; not across a restart.
 *
 * @param due oldest first
 */
export function dueWhenAwake(
  due: readonly DueCheckpoint[],
  before: DueRecord | undefined,
  at: ClockReading,
): { go: string[]; record: DueRecord } {
  const jump = jumpOf(before, at);
  const byClock = due.filter((one) => one.since !== undefined);
  const go = new Set(due.filter((one) => one.since === undefined).map(({ id }) => id));
  const noticed: Record<string, number> = {};
  const waited: string[] = [];
  for (const { id, since } of byClock) {
    const seenMs = before?.noticed[id];
    if (jump === undefined && seenMs === undefined && isAttended(Date.parse(since ?? ''), before, at)) {
      go.add(id);
      continue;
    }
    // What was noticed by a clock that was ahead begins anew.
    const noticedMs = jump !== undefined || seenMs === undefined || seenMs > at.wallMs ? at.wallMs : seenMs;
    noticed[id] = noticedMs;
    if (jump === undefined && at.wallMs - noticedMs >= graceMs) {
      waited.push(id);
    }
  }
  waited.slice(0, Math.ceil(waited.length / 2)).forEach((id) => go.add(id));
  const record = { last: at, noticed, ...(jump === undefined ? {} : { jump }) };
  return { go: due.map(({ id }) => id).filter((id) => go.has(id)), record };
}

function isAttended(dueMs: number, before: DueRecord | undefined, at: ClockReading): boolean {
  return before !== undefined && dueMs > before.last.wallMs && Math.abs(at.wallMs - before.last.wallMs) <= attendedMs;
}

/** Small steps add up, and one that undoes another ends it. */
function jumpOf(before: DueRecord | undefined, at: ClockReading): DueRecord['jump'] {
  if (before === undefined || before.last.boot !== at.boot || before.last.uptimeMs > at.uptimeMs) {
    return undefined;
  }
  const { last, jump } = before;
  const isOver = jump !== undefined && at.uptimeMs - jump.atUptimeMs >= believedAfterMs;
  const stepMs = at.wallMs - last.wallMs - (at.uptimeMs - last.uptimeMs);
  const byMs = (isOver ? 0 : (jump?.byMs ?? 0)) + stepMs;
  if (Math.abs(byMs) <= toleratedMs) {
    return undefined;
  }
  const isNew = jump === undefined || isOver || Math.abs(stepMs) > toleratedMs;
  return { byMs, atUptimeMs: isNew ? at.uptimeMs : jump.atUptimeMs };
}
