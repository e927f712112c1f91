import { keepRules, type KeepRule, type RetentionPolicy } from '../protocol/retention.ts';

/** A checkpoint as the counts see it. */
export interface Countable {
  id: string;
  /** Milliseconds since 1970. */
  createdMs: number;
  /** How long the machine had run in all, in seconds; needed only when that is the time that counts. */
  runningSeconds?: number;
}

/** Which count keeps a checkpoint, and its number within that, from 1. */
export type KeptBy =
  { rule: KeepRule; number: number } | { rule: 'oldest' | 'sameInstant' | 'ageUnknown'; of: AgeRule };

export type AgeRule = Exclude<KeepRule, 'keepLast'>;

/** Whether hours, days, weeks or months count. */
export function agesCount(policy: RetentionPolicy): boolean {
  return ageRulesOf(policy).length > 0;
}

/** Whether any count is there to say what is kept. */
export function anythingCounts(policy: RetentionPolicy): boolean {
  return keepRules.some((rule) => policy[rule] !== undefined);
}

/**
 * What the counts keep, each on its own as in restic: one that keeps a checkpoint does not use up another's. As in
 * restic, Borg and Proxmox, an hour without a checkpoint does not count, so a machine that was away loses nothing by
 * it; and while a count is not reached, the oldest stays too, or the way back would not grow. Days are those of UTC,
 * so that every computer, in every season, comes to the same answer.
 * @param newestFirst all that counts
 */
export function keptByCount(newestFirst: readonly Countable[], policy: RetentionPolicy): Map<string, KeptBy> {
  const kept = new Map<string, KeptBy>();
  const keep = (id: string, by: KeptBy): void => {
    if (!kept.has(id)) {
      kept.set(id, by);
    }
  };
  newestFirst
    .slice(0, policy.keepLast ?? 0)
    .forEach(({ id }, index) => keep(id, { rule: 'keepLast', number: index + 1 }));
  for (const { rule, count } of ageRulesOf(policy)) {
    const newestOf = new Map<number, Countable>();
    const aged = newestFirst.flatMap((one) => {
      const period = periodOf(one, rule, policy);
      if (period === undefined) {
        keep(one.id, { rule: 'ageUnknown', of: rule });
        return [];
      }
      return [{ one, period }];
    });
    for (const { one, period } of aged) {
      const newest = newestOf.get(period);
      if (newest === undefined && newestOf.size < count) {
        newestOf.set(period, one);
        keep(one.id, { rule, number: newestOf.size });
      } else if (
        newest !== undefined &&
        policy.ageBy !== 'running' &&
        newest.createdMs - one.createdMs < sameInstantMs
      ) {
        keep(one.id, { rule: 'sameInstant', of: rule });
      }
    }
    const oldest = aged.at(-1);
    if (oldest !== undefined && newestOf.size < count) {
      keep(oldest.one.id, { rule: 'oldest', of: rule });
    }
  }
  return kept;
}

/**
 * While a clock is set back, each checkpoint gets the time of its predecessor and a little more, so that their order
 * holds. Such times say nothing of hours and days.
 */
const sameInstantMs = 1000;

function ageRulesOf(policy: RetentionPolicy): { rule: AgeRule; count: number }[] {
  return keepRules.flatMap((rule) => {
    const count = policy[rule];
    return rule === 'keepLast' || count === undefined ? [] : [{ rule, count }];
  });
}

const hourMs = 60 * 60 * 1000;
const dayMs = 24 * hourMs;
/** 1970-01-01 was a Thursday. */
const daysFromMonday = 3;

/** The number of the hour, day, week or month that a checkpoint was made in; undefined when that is not known. */
function periodOf(one: Countable, rule: AgeRule, policy: RetentionPolicy): number | undefined {
  const isRunningTime = policy.ageBy === 'running';
  if (isRunningTime && one.runningSeconds === undefined) {
    return undefined;
  }
  const at = isRunningTime ? (one.runningSeconds ?? 0) * 1000 : one.createdMs;
  switch (rule) {
    case 'hourly':
      return Math.floor(at / hourMs);
    case 'daily':
      return Math.floor(at / dayMs);
    case 'weekly':
      return Math.floor((at / dayMs + (isRunningTime ? 0 : daysFromMonday)) / 7);
    case 'monthly':
      return isRunningTime ? Math.floor(at / (30 * dayMs)) : monthOf(new Date(at));
  }
}

function monthOf(at: Date): number {
  return at.getUTCFullYear() * 12 + at.getUTCMonth();
}
