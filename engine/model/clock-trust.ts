/** A clock that is behind the newest checkpoint by no more than this is only a little off. */
const toleranceMs = 5 * 60 * 1000;

/** What a clock shows is believed once there is something that it saw at least this long ago. */
const settledMs = 24 * 60 * 60 * 1000;

/** And when that is no longer ago than this: a machine that was away for longer is looked at again after a day of use. */
const believedAheadMs = 30 * 24 * 60 * 60 * 1000;

/** `behind`: earlier than something that has happened. `ahead`: far later than all that is known for certain. */
export type ClockTrust =
  { state: 'believed' } | { state: 'behind'; newest: string } | { state: 'ahead'; newest: string };

/**
 * Whether a clock can be believed enough to delete something by it. One that jumped ahead shows times that nothing which
 * happened before the last day comes near to, even when checkpoints have been taken since; so a wrong clock does no
 * harm for a day, and a right one costs a day.
 * @param now what the clock shows, in milliseconds since 1970
 * @param facts times at which something happened to the machine, ISO 8601; the newest checkpoint among them
 */
export function clockTrust(now: number, facts: readonly string[]): ClockTrust {
  const newest = latest(facts);
  if (newest !== undefined && Date.parse(newest) > now + toleranceMs) {
    return { state: 'behind', newest };
  }
  const settled = latest(facts.filter((fact) => Date.parse(fact) <= now - settledMs));
  return settled !== undefined && Date.parse(settled) < now - believedAheadMs
    ? { state: 'ahead', newest: settled }
    : { state: 'believed' };
}

function latest(times: readonly string[]): string | undefined {
  return times.reduce<string | undefined>(
    (newest, time) => (newest === undefined || Date.parse(time) > Date.parse(newest) ? time : newest),
    undefined,
  );
}
