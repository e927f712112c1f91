import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CreatedBy } from '../../../../engine/protocol/machines.ts';
import { planRetention, type RetainedCheckpoint, type RetentionState } from '../../../../engine/model/retention.ts';
import type { RetentionPlan, RetentionPolicy } from '../../../../engine/protocol/retention.ts';

const gibibyte = 2 ** 30;

interface Facts extends Partial<RetainedCheckpoint> {
  by?: CreatedBy;
}

/** `2026-11-21 09:15` in UTC. */
function time(text: string): string {
  return new Date(`${text.replace(' ', 'T')}Z`).toISOString();
}

/** Checkpoints in a line under each other, each costing one GiB; Now hangs from the last unless said otherwise. */
function line(
  points: [id: string, created: string, facts?: Facts][],
  changes: Partial<RetentionState> = {},
): RetentionState {
  const checkpoints = points.map(([id, created, { by, expires, ...facts } = {}], index): RetainedCheckpoint => {
    const parent = points[index - 1]?.[0];
    return {
      id,
      name: id,
      created: time(created),
      createdBy: by ?? 'task',
      ...(parent === undefined ? {} : { parent }),
      ...(expires === undefined ? {} : { expires: time(expires) }),
      ...facts,
    };
  });
  const last = points.at(-1)?.[0];
  return {
    checkpoints,
    now: last === undefined ? {} : { parent: last },
    costOf: (remaining) => remaining.size * gibibyte,
    ...changes,
  };
}

function plan(state: RetentionState, policy: RetentionPolicy, at: string): RetentionPlan {
  return planRetention(state, policy, new Date(time(at)));
}

/** `a:expired b:space | c:nowParent`: what goes in its order, and what stays. */
function told({ deleted, kept }: RetentionPlan): string {
  const list = (of: readonly { id: string; rule: string }[]): string =>
    of.map((one) => `${one.id}:${one.rule}`).join(' ');
  return `${list(deleted)} | ${list(kept)}`;
}

const days = line([
  ['a', '2026-11-16 09:00'],
  ['b', '2026-11-17 09:00'],
  ['c', '2026-11-17 15:00'],
  ['d', '2026-11-19 09:00'],
  ['e', '2026-11-19 09:20'],
  ['f', '2026-11-19 09:40'],
]);
const at = '2026-11-19 10:00';

const cases: [what: string, state: RetentionState, policy: RetentionPolicy, at: string, expected: string][] = [
  ['off by default: nothing goes', days, {}, at, ' | a:noRule b:noRule c:noRule d:noRule e:noRule f:nowParent'],
  ['the last 2 stay', days, { keepLast: 2 }, at, 'a:notKept b:notKept c:notKept d:notKept | e:keepLast f:nowParent'],
  [
    'the newest of each hour stays; hours without a checkpoint do not count',
    days,
    { hourly: 3 },
    at,
    'a:notKept d:notKept e:notKept | b:hourly c:hourly f:nowParent',
  ],
  [
    'the newest of each day stays, and the oldest while the days are not full',
    days,
    { daily: 7 },
    at,
    'b:notKept d:notKept e:notKept | a:daily c:daily f:nowParent',
  ],
  [
    'each count on its own: what the last 2 keep uses up no day',
    days,
    { keepLast: 2, daily: 2 },
    at,
    'a:notKept b:notKept d:notKept | c:daily e:keepLast f:nowParent',
  ],
  [
    'weeks begin on Monday',
    line([
      ['sat', '2026-11-14 12:00'],
      ['sun', '2026-11-15 23:59'],
      ['mon', '2026-11-16 00:00'],
      ['now', '2026-11-22 23:59'],
    ]),
    { weekly: 2 },
    '2026-11-23 00:10',
    'sat:notKept mon:notKept | sun:weekly now:nowParent',
  ],
  [
    'months across a year; the oldest stays while they are not full',
    line([
      ['nov', '2025-11-30 12:00'],
      ['dec', '2025-12-01 12:00'],
      ['dec31', '2025-12-31 12:00'],
      ['jan', '2026-01-01 12:00'],
    ]),
    { monthly: 12 },
    '2026-01-02 12:00',
    'dec:notKept | nov:monthly dec31:monthly jan:nowParent',
  ],
  [
    'the oldest stays although its hour has a newer one',
    line([
      ['a', '2026-11-19 09:00'],
      ['b', '2026-11-19 09:20'],
      ['c', '2026-11-19 09:40'],
    ]),
    { hourly: 24 },
    at,
    'b:notKept | a:oldest c:nowParent',
  ],
  [
    'what a person made, named or pinned stays, and takes no place',
    line(
      [
        ['a', '2026-11-19 05:00'],
        ['b', '2026-11-19 06:00'],
        ['c', '2026-11-19 07:00', { by: 'person' }],
        ['d', '2026-11-19 08:00', { isRenamed: true }],
        ['e', '2026-11-19 09:00', { isPinned: true }],
        ['f', '2026-11-19 09:30', { by: 'apply' }],
      ],
      { now: {} },
    ),
    { keepLast: 1 },
    at,
    'a:notKept | b:keepLast c:named d:named e:pinned f:named',
  ],
  [
    'unless the policy includes what is named; pinned stays in any case',
    line([
      ['a', '2026-11-19 05:00', { by: 'person' }],
      ['b', '2026-11-19 06:00', { isPinned: true, by: 'person' }],
      ['c', '2026-11-19 07:00', { by: 'person' }],
    ]),
    { keepLast: 1, includeNamed: true },
    at,
    'a:notKept | b:pinned c:nowParent',
  ],
  [
    "Now's parent, what undo goes to and what a clone grew from stay",
    line(
      [
        ['a', '2026-11-19 05:00'],
        ['b', '2026-11-19 06:00', { hasClones: true }],
        ['c', '2026-11-19 07:00'],
        ['d', '2026-11-19 08:00'],
        ['e', '2026-11-19 09:00'],
      ],
      { now: { parent: 'a', undo: 'c' } },
    ),
    { keepLast: 1 },
    at,
    'd:notKept | a:nowParent b:clone c:undo e:keepLast',
  ],
  [
    'below the minimum nothing goes: the newest stay',
    days,
    { keepLast: 1, minimum: 4 },
    at,
    'a:notKept b:notKept | c:minimum d:minimum e:minimum f:nowParent',
  ],
  [
    'too many: the oldest go until the rest fits',
    days,
    { maxBytes: 4 * gibibyte },
    at,
    'a:space b:space | c:noRule d:noRule e:noRule f:nowParent',
  ],
  [
    'the counts first, then the budget; it may take what they keep',
    days,
    { daily: 7, maxBytes: 2 * gibibyte },
    at,
    'b:notKept d:notKept e:notKept a:space | c:daily f:nowParent',
  ],
  [
    'a checkpoint whose going would free nothing is not given up for the budget',
    { ...days, costOf: (remaining) => (remaining.size - (remaining.has('a') ? 1 : 0)) * gibibyte },
    { maxBytes: 4 * gibibyte },
    at,
    'b:space | a:noRule c:noRule d:noRule e:noRule f:nowParent',
  ],
  [
    'a budget that is too small keeps the minimum',
    days,
    { maxBytes: 1, minimum: 5 },
    at,
    'a:space | b:noRule c:noRule d:noRule e:noRule f:nowParent',
  ],
  [
    'what expires goes when its time is over, without any policy',
    line(
      [
        ['a', '2026-11-18 05:00'],
        ['kept', '2026-11-18 06:00', { by: 'apply', expires: '2026-11-19 06:00' }],
      ],
      { now: { parent: 'a' } },
    ),
    {},
    at,
    'kept:expired | a:nowParent',
  ],
  [
    'not a minute earlier, and the counts neither count nor delete it',
    line(
      [
        ['a', '2026-11-19 05:00'],
        ['b', '2026-11-19 06:00'],
        ['kept', '2026-11-19 06:30', { by: 'apply', expires: '2026-11-20 06:30' }],
      ],
      { now: {} },
    ),
    { keepLast: 1 },
    '2026-11-20 06:29',
    'a:notKept | b:keepLast kept:notDue',
  ],
  [
    'a laptop that slept over the time gets it at the next look',
    line([['kept', '2026-11-14 06:00', { by: 'apply', expires: '2026-11-15 06:00' }]], { now: {} }),
    {},
    '2026-11-20 06:29',
    'kept:expired | ',
  ],
  [
    'what something was built on stays; when that expires too, both go',
    line(
      [
        ['a', '2026-11-18 01:00', { by: 'apply', expires: '2026-11-19 01:00' }],
        ['b', '2026-11-18 02:00', { by: 'task' }],
        ['c', '2026-11-18 03:00', { by: 'apply', expires: '2026-11-19 03:00' }],
        ['d', '2026-11-18 04:00', { by: 'undo', expires: '2026-11-19 04:00' }],
      ],
      { now: { parent: 'b' } },
    ),
    {},
    at,
    'd:expired c:expired | a:builtOn b:nowParent',
  ],
  [
    'what is built on stays so when one between goes',
    line([
      ['a', '2026-11-18 01:00', { by: 'apply', expires: '2026-11-19 01:00' }],
      ['b', '2026-11-18 02:00'],
      ['c', '2026-11-18 03:00'],
    ]),
    { keepLast: 1 },
    at,
    'b:notKept | a:builtOn c:nowParent',
  ],
  [
    'what undo goes to expires all the same',
    line([['kept', '2026-11-18 03:00', { by: 'apply', expires: '2026-11-19 03:00' }]], { now: { undo: 'kept' } }),
    {},
    at,
    'kept:expired | ',
  ],
  [
    'the minimum holds for what expires, too',
    line([['kept', '2026-11-18 03:00', { by: 'apply', expires: '2026-11-19 03:00' }]], { now: {} }),
    { minimum: 1 },
    at,
    ' | kept:minimum',
  ],
  [
    'running time: a machine that did not run does not age',
    line(
      [
        ['a', '2026-11-01 09:00', { runningSeconds: 100 }],
        ['b', '2026-11-05 09:00', { runningSeconds: 200 }],
        ['c', '2026-11-09 09:00', { runningSeconds: 3700 }],
        ['kept', '2026-11-10 09:00', { by: 'apply', expires: '2026-11-11 09:00', runningSeconds: 3700 }],
      ],
      { now: {}, runningSeconds: 3700 + 86_399 },
    ),
    { hourly: 2, ageBy: 'running' },
    at,
    'a:notKept | b:hourly c:hourly kept:notDue',
  ],
  [
    'running time: it expires once the machine has run for so long',
    line([['kept', '2026-11-10 09:00', { by: 'apply', expires: '2026-11-11 09:00', runningSeconds: 3700 }]], {
      now: {},
      runningSeconds: 3700 + 86_400,
    }),
    { ageBy: 'running' },
    at,
    'kept:expired | ',
  ],
  [
    'running time that is not known deletes nothing',
    line(
      [
        ['a', '2026-11-10 07:00'],
        ['b', '2026-11-10 07:30'],
        ['kept', '2026-11-10 09:00', { by: 'apply', expires: '2026-11-11 09:00' }],
      ],
      { now: {} },
    ),
    { hourly: 1, ageBy: 'running' },
    at,
    ' | a:ageUnknown b:ageUnknown kept:ageUnknown',
  ],
  [
    'a clock that is set back by less than five minutes is only a little off',
    line([
      ['a', '2026-11-19 09:00'],
      ['b', '2026-11-19 09:40'],
    ]),
    { hourly: 1 },
    '2026-11-19 09:36',
    'a:notKept | b:nowParent',
  ],
  [
    'a clock set back does not hinder what does not go by age',
    days,
    { keepLast: 5, maxBytes: 4 * gibibyte },
    '2020-01-01 00:00',
    'a:notKept b:space | c:keepLast d:keepLast e:keepLast f:nowParent',
  ],
];

for (const [what, state, policy, now, expected] of cases) {
  test(what, () => assert.equal(told(plan(state, policy, now)), expected));
}

test('a clock set back or far ahead deletes nothing by age, and the plan says why', () => {
  const state = line(
    [
      ['a', '2026-11-19 09:00'],
      ['b', '2026-11-19 09:20'],
      ['kept', '2026-11-19 09:30', { by: 'apply', expires: '2026-11-19 09:40' }],
      ['c', '2026-11-19 09:40'],
    ],
    { now: {} },
  );
  const flat = { ...state, checkpoints: state.checkpoints.map(({ parent: _, ...one }) => one) };
  for (const now of ['2026-11-18 12:00', '2026-12-20 09:41', '2099-01-01 00:00']) {
    const { deleted, notes } = plan(flat, { hourly: 1 }, now);
    assert.deepEqual(deleted, [], now);
    assert.equal(notes.length, 1, now);
    assert.match(notes[0] ?? '', /^The clock shows .* rest until/, now);
  }
  assert.equal(told(plan(flat, { hourly: 1 }, '2026-12-19 09:39')).split(' |')[0], 'kept:expired a:notKept b:notKept');
});

test('a checkpoint taken while the clock is far ahead does not make it believed; a day of that clock does', () => {
  const kept: [string, string, Facts] = ['kept', '2026-11-19 09:30', { by: 'apply', expires: '2026-11-20 09:30' }];
  const state = line([['a', '2026-11-19 09:00'], kept, ['new', '2030-01-01 10:00']], { now: {} });
  const flat = { ...state, checkpoints: state.checkpoints.map(({ parent: _, ...one }) => one) };
  assert.equal(told(plan(flat, {}, '2030-01-01 10:05')), ' | a:noRule kept:clock new:noRule');
  assert.equal(told(plan(flat, {}, '2030-01-02 10:00')), 'kept:expired | a:noRule new:noRule');
});

test('checkpoints made while the clock was set back, a millisecond after each other, are not taken for one hour', () => {
  const created = Date.parse(time('2026-11-19 09:00'));
  const checkpoints = Array.from({ length: 20 }, (_, index): RetainedCheckpoint => ({
    id: `c${String(index).padStart(2, '0')}`,
    name: 'c',
    created: new Date(created + index).toISOString(),
    createdBy: 'task',
  }));
  const { deleted, kept } = plan(line([], { checkpoints }), { hourly: 1 }, '2026-11-19 10:00');
  assert.deepEqual(deleted, []);
  assert.equal(kept[0]?.rule, 'sameInstant');
});

test('a budget that cannot be kept to is told', () => {
  const { deleted, notes } = plan(line([['a', '2026-11-19 09:00', { by: 'person' }]]), { maxBytes: gibibyte / 2 }, at);
  assert.deepEqual(deleted, []);
  assert.match(notes[0] ?? '', /cost 1\.0 GiB, more than the 512 MiB of the policy/);
});

test('every decision has a sentence, and what goes tells what that frees', () => {
  for (const [what, state, policy, now] of cases) {
    const { deleted, kept } = plan(state, policy, now);
    for (const { reason } of [...deleted, ...kept]) {
      assert.match(reason, /^[A-Z].*\.$/u, what);
      assert.doesNotMatch(reason, /undefined|NaN/u, what);
    }
  }
  const { deleted } = plan(days, { keepLast: 2, maxBytes: gibibyte }, at);
  assert.deepEqual(deleted.map(({ id, freedBytes, reason }) => ({ id, freedBytes, reason })).at(-1), {
    id: 'e',
    freedBytes: gibibyte,
    reason: "The machine's checkpoints may cost 1.0 GiB and cost more; it is the oldest whose going helps.",
  });
  assert.equal(deleted[0]?.reason, 'The policy keeps the last 2; it is none of these.');
});
