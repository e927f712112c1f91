import type { DeletingRule, KeepingRule, RetentionPlan, RetentionPolicy } from '../protocol/retention.ts';
import type { Checkpoint } from './checkpoint.ts';
import { clockTrust, type ClockTrust } from './clock-trust.ts';
import { agesCount, anythingCounts, keptByCount, type Countable, type KeptBy } from './kept-by-count.ts';
import type { Now } from './machine.ts';
import {
  clockNote,
  expiredReason,
  keptByCountReason,
  minimumReason,
  notDueReason,
  notKeptReason,
  overBudgetNote,
  spaceReason,
} from './retention-reasons.ts';
import { withParent } from './tree.ts';

/** A checkpoint as the rules of retention see it. */
export interface RetainedCheckpoint extends Pick<
  Checkpoint,
  'id' | 'parent' | 'name' | 'created' | 'createdBy' | 'expires'
> {
  isPinned?: boolean;
  /** A person gave it a name after it was made automatically. */
  isRenamed?: boolean;
  /** A linked clone grew from it. */
  hasClones?: boolean;
  /** How long the machine had run in all when it was made, in seconds. */
  runningSeconds?: number;
}

/** Everything that the rules go by. */
export interface RetentionState {
  checkpoints: readonly RetainedCheckpoint[];
  now: Pick<Now, 'parent' | 'undo'>;
  /** How long the machine has run in all, in seconds. */
  runningSeconds?: number;
  /** Further times at which something happened to the machine, ISO 8601, such as when it was defined. */
  facts?: readonly string[];
  /** What the machine's checkpoints cost in bytes when only these (by id) are left. Pure. */
  costOf: (remaining: ReadonlySet<string>) => number;
}

/**
 * What the rules delete, what they keep, and why. It depends on the state alone: a computer that slept over a time
 * deletes at the next look, and looking again after the plan was carried out finds nothing to do.
 *
 * - What expires goes when its time is over, unless something was built on it. Until then only `maxBytes` takes it.
 * - Counts (`keepLast`, `hourly`, …) see what was made automatically and does not expire. What is pinned, or made or
 *   named by a person, takes no place in them; Now's parent does.
 * - `maxBytes` takes the oldest until the rest fits, and leaves out those whose going would not help.
 * - Now's parent, what is pinned, and what a clone grew from stay in any case; what undo goes to, until it expires.
 * - With a clock that cannot be believed, nothing is deleted by expiry or by a policy that counts hours or days.
 *
 * @param at what the clock shows
 */
export function planRetention(state: RetentionState, policy: RetentionPolicy, at: Date): RetentionPlan {
  const rules = new RulesAtWork(state, policy, at);
  rules.settle();
  return rules.plan();
}

type Expiry = 'notDue' | 'due' | 'builtOn' | 'clock' | 'ageUnknown';

/** Carries the rules out on a list, until none of them finds anything more. */
class RulesAtWork {
  readonly #state: RetentionState;
  readonly #policy: RetentionPolicy;
  readonly #at: Date;
  /** By what is left: what was made in a future that never came may go. */
  #clock: ClockTrust;
  /** Oldest first. */
  #remaining: RetainedCheckpoint[];
  readonly #deleted: { checkpoint: RetainedCheckpoint; rule: DeletingRule }[] = [];

  constructor(state: RetentionState, policy: RetentionPolicy, at: Date) {
    this.#state = state;
    this.#policy = policy;
    this.#at = at;
    this.#remaining = oldestFirst(state.checkpoints);
    this.#clock = this.#clockTrust();
  }

  settle(): void {
    let before: number;
    do {
      before = this.#remaining.length;
      this.#expire();
      this.#count();
      this.#makeFit();
    } while (this.#remaining.length < before);
  }

  plan(): RetentionPlan {
    const { costOf, checkpoints } = this.#state;
    const left = new Set(checkpoints.map(({ id }) => id));
    let cost = costOf(left);
    const deleted = this.#deleted.map(({ checkpoint, rule }) => {
      left.delete(checkpoint.id);
      const costAfter = costOf(left);
      const freedBytes = Math.max(0, cost - costAfter);
      cost = costAfter;
      return { ...shown(checkpoint), rule, reason: this.#whyDeleted(checkpoint, rule), freedBytes };
    });
    const byCount = this.#keptByCount();
    const kept = this.#remaining.map((one) => ({ ...shown(one), ...this.#whyKept(one, byCount) }));
    const { maxBytes } = this.#policy;
    const notes = [
      kept.some(({ rule }) => rule === 'clock') ? clockNote(this.#clock, this.#at) : undefined,
      maxBytes !== undefined && cost > maxBytes ? overBudgetNote(cost, maxBytes) : undefined,
    ];
    return { deleted, kept, notes: notes.filter((note) => note !== undefined) };
  }

  /** What expired and has no child goes; that may leave its parent without one. */
  #expire(): void {
    for (;;) {
      const due = this.#remaining.find((one) => this.#mayExpire(one) && this.#expiry(one) === 'due');
      if (due === undefined || !this.#delete(due, 'expired')) {
        return;
      }
    }
  }

  #count(): void {
    if (!anythingCounts(this.#policy) || this.#ageRulesRest()) {
      return;
    }
    const kept = this.#keptByCount();
    for (const one of this.#counted()) {
      if (!kept.has(one.id) && this.#protectedBy(one) === undefined) {
        this.#delete(one, 'notKept');
      }
    }
  }

  #makeFit(): void {
    const { maxBytes } = this.#policy;
    if (maxBytes === undefined) {
      return;
    }
    const { costOf } = this.#state;
    const left = new Set(this.#remaining.map(({ id }) => id));
    const chosen: RetainedCheckpoint[] = [];
    for (const one of this.#remaining) {
      if (costOf(left) <= maxBytes || left.size <= this.#minimum) {
        break;
      }
      if (this.#protectedBy(one) === undefined) {
        left.delete(one.id);
        chosen.push(one);
      }
    }
    const goal = Math.max(maxBytes, costOf(left));
    for (const one of chosen.toReversed()) {
      left.add(one.id);
      if (costOf(left) > goal) {
        left.delete(one.id);
      }
    }
    for (const one of chosen.filter(({ id }) => !left.has(id))) {
      this.#delete(one, 'space');
    }
  }

  /** @returns false when the machine would have too few afterwards */
  #delete(checkpoint: RetainedCheckpoint, rule: DeletingRule): boolean {
    if (this.#remaining.length <= this.#minimum) {
      return false;
    }
    this.#remaining = this.#remaining
      .filter(({ id }) => id !== checkpoint.id)
      .map((one) => (one.parent === checkpoint.id ? withParent(one, checkpoint.parent) : one));
    this.#deleted.push({ checkpoint, rule });
    this.#clock = this.#clockTrust();
    return true;
  }

  #clockTrust(): ClockTrust {
    const facts = [...(this.#state.facts ?? []), ...this.#remaining.map(({ created }) => created)];
    return this.#policy.ageBy === 'running' ? { state: 'believed' } : clockTrust(this.#at.getTime(), facts);
  }

  get #minimum(): number {
    return this.#policy.minimum ?? 0;
  }

  #ageRulesRest(): boolean {
    return this.#clock.state !== 'believed' && agesCount(this.#policy);
  }

  /** Why no rule at all may delete it. */
  #protectedBy(one: RetainedCheckpoint): 'nowParent' | 'undo' | 'pinned' | 'named' | 'clone' | undefined {
    const { parent, undo } = this.#state.now;
    return one.id === parent
      ? 'nowParent'
      : one.isPinned === true
        ? 'pinned'
        : isNamed(one) && this.#policy.includeNamed !== true
          ? 'named'
          : one.hasClones === true
            ? 'clone'
            : one.id === undo
              ? 'undo'
              : undefined;
  }

  /** Undo lasts as long as what it goes back to. */
  #mayExpire(one: RetainedCheckpoint): boolean {
    return [undefined, 'undo'].includes(this.#protectedBy(one));
  }

  #counted(): RetainedCheckpoint[] {
    return this.#remaining.filter(
      (one) =>
        one.expires === undefined && one.isPinned !== true && (!isNamed(one) || this.#policy.includeNamed === true),
    );
  }

  #keptByCount(): Map<string, KeptBy> {
    const newestFirst = this.#counted()
      .toReversed()
      .map(({ id, created, runningSeconds }): Countable => ({
        id,
        createdMs: Date.parse(created),
        ...(runningSeconds === undefined ? {} : { runningSeconds }),
      }));
    return keptByCount(newestFirst, this.#policy);
  }

  #expiry(one: RetainedCheckpoint): Expiry | undefined {
    if (one.expires === undefined) {
      return undefined;
    }
    const isOver = this.#isOver(one, one.expires);
    if (isOver !== true) {
      return isOver === undefined ? 'ageUnknown' : 'notDue';
    }
    if (this.#remaining.some((other) => other.parent === one.id)) {
      return 'builtOn';
    }
    return this.#clock.state === 'believed' ? 'due' : 'clock';
  }

  /** Undefined when it cannot be told. */
  #isOver({ created, runningSeconds }: RetainedCheckpoint, expires: string): boolean | undefined {
    if (this.#policy.ageBy !== 'running') {
      return Date.parse(expires) <= this.#at.getTime();
    }
    const { runningSeconds: now } = this.#state;
    return now === undefined || runningSeconds === undefined
      ? undefined
      : (now - runningSeconds) * 1000 >= Date.parse(expires) - Date.parse(created);
  }

  #whyDeleted({ expires }: RetainedCheckpoint, rule: DeletingRule): string {
    switch (rule) {
      case 'expired':
        return expiredReason(expires ?? '', this.#policy);
      case 'notKept':
        return notKeptReason(this.#policy);
      case 'space':
        return spaceReason(this.#policy.maxBytes ?? 0);
    }
  }

  #whyKept(one: RetainedCheckpoint, byCount: Map<string, KeptBy>): { rule: KeepingRule; reason: string } {
    const protection = this.#protectedBy(one);
    if (protection !== undefined) {
      return { rule: protection, reason: plainReasons[protection] };
    }
    const expiry = this.#expiry(one);
    if (expiry === 'notDue') {
      return { rule: 'notDue', reason: notDueReason(one.expires ?? '', this.#policy) };
    }
    if (expiry !== undefined && expiry !== 'due') {
      return { rule: expiry, reason: plainReasons[expiry] };
    }
    if (expiry === undefined && !anythingCounts(this.#policy)) {
      return { rule: 'noRule', reason: plainReasons.noRule };
    }
    if (expiry === undefined && this.#ageRulesRest()) {
      return { rule: 'clock', reason: plainReasons.clock };
    }
    const by = byCount.get(one.id);
    return by === undefined
      ? { rule: 'minimum', reason: minimumReason(this.#minimum) }
      : { rule: by.rule, reason: keptByCountReason(by, this.#policy) };
  }
}

const plainReasons = {
  nowParent: 'Now hangs from it.',
  undo: 'Undo goes back to it.',
  pinned: 'It is pinned.',
  named: 'A person made or named it.',
  clone: 'A linked clone grew from it.',
  builtOn: 'Its time is over, but something was built on it.',
  clock: 'Rules that go by age rest, because the clock cannot be believed.',
  ageUnknown: 'It is not known how long the machine had run when it was made.',
  noRule: 'No rule deletes it.',
} as const;

/** What apply and undo keep expires; that it no longer does says that a person wanted it. */
function isNamed(one: RetainedCheckpoint): boolean {
  const isKeptState = ['apply', 'undo', 'redo'].includes(one.createdBy);
  return one.createdBy === 'person' || one.isRenamed === true || (isKeptState && one.expires === undefined);
}

function shown({ id, name, created }: RetainedCheckpoint): { id: string; name: string; created: string } {
  return { id, name, created };
}

function oldestFirst(checkpoints: readonly RetainedCheckpoint[]): RetainedCheckpoint[] {
  return [...checkpoints].sort(
    (a, b) => Date.parse(a.created) - Date.parse(b.created) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  );
}
