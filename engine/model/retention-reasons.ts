import { keepRules, type KeepRule, type RetentionPolicy } from '../protocol/retention.ts';
import type { ClockTrust } from './clock-trust.ts';
import type { AgeRule, KeptBy } from './kept-by-count.ts';
import { formatSize } from './size.ts';

const periods: Readonly<Record<AgeRule, string>> = { hourly: 'hour', daily: 'day', weekly: 'week', monthly: 'month' };

/** Why a count keeps a checkpoint. */
export function keptByCountReason(by: KeptBy, policy: RetentionPolicy): string {
  switch (by.rule) {
    case 'keepLast':
      return `It is number ${by.number} of the last ${policy.keepLast ?? 0}.`;
    case 'oldest':
      return `It is the oldest, and the policy reaches further back: ${countText(by.of, policy)}.`;
    case 'sameInstant':
      return `It has the same time as the newest of its ${periods[by.of]}: the clock had been set back, so its age is not known.`;
    case 'ageUnknown':
      return 'It is not known how long the machine had run when it was made.';
    default:
      return `It is the newest of its ${periods[by.rule]}, number ${by.number} of ${policy[by.rule] ?? 0}.`;
  }
}

/** Why no count keeps it. */
export function notKeptReason(policy: RetentionPolicy): string {
  const counts = keepRules.filter((rule) => policy[rule] !== undefined).map((rule) => countText(rule, policy));
  return `The policy keeps ${counts.join(', ')}; it is none of these.`;
}

/** @param expires ISO 8601 */
export function expiredReason(expires: string, policy: RetentionPolicy): string {
  const until = policy.ageBy === 'running' ? 'for a time that the machine has run since' : `until ${minuteOf(expires)}`;
  return `It was kept ${until}, and nothing was built on it.`;
}

export function spaceReason(maxBytes: number): string {
  return `The machine's checkpoints may cost ${formatSize(maxBytes)} and cost more; it is the oldest whose going helps.`;
}

export function notDueReason(expires: string, policy: RetentionPolicy): string {
  return policy.ageBy === 'running'
    ? 'It expires by itself once the machine has run for longer.'
    : `It expires by itself at ${minuteOf(expires)}.`;
}

export function minimumReason(minimum: number): string {
  return `A rule would delete it, but the machine keeps at least ${minimum} checkpoint${minimum === 1 ? '' : 's'}.`;
}

/** What the user should know when the clock cannot be believed. */
export function clockNote(clock: ClockTrust, now: Date): string | undefined {
  const shown = minuteOf(now.toISOString());
  switch (clock.state) {
    case 'believed':
      return undefined;
    case 'behind':
      return `The clock shows ${shown}, but something happened to the machine at ${minuteOf(clock.newest)}. The rules that go by age rest until the clock has passed that; set the clock, or delete what was made while it was wrong.`;
    case 'ahead':
      return `The clock shows ${shown}, but the last that is known for certain of the machine is of ${minuteOf(clock.newest)}. The rules that go by age rest until a checkpoint is a day old by this clock.`;
  }
}

export function overBudgetNote(costBytes: number, maxBytes: number): string {
  return `The machine's checkpoints cost ${formatSize(costBytes)}, more than the ${formatSize(maxBytes)} of the policy: those that are left are in use, pinned, named, or needed for the minimum, or their going would free nothing.`;
}

function countText(rule: KeepRule, policy: RetentionPolicy): string {
  const count = policy[rule] ?? 0;
  return rule === 'keepLast' ? `the last ${count}` : `the newest of ${count} ${periods[rule]}${count === 1 ? '' : 's'}`;
}

/** `2026-11-21 09:15 UTC`: the rules go by UTC, whoever reads. */
function minuteOf(iso: string): string {
  return `${new Date(iso).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
