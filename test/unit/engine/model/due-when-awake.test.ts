import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dueWhenAwake, type ClockReading, type DueRecord } from '../../../../engine/model/due-when-awake.ts';

const minuteMs = 60_000;
const startMs = Date.parse('2026-11-21T09:00:00Z');

/** Minutes after the start by the clock, which was set forth by some of them. */
function reading(minutes: number, setForth = 0, boot = 'first'): ClockReading {
  return { wallMs: startMs + (minutes + setForth) * minuteMs, uptimeMs: minutes * minuteMs, boot };
}

function due(id: string, minutes: number): { id: string; since: string } {
  return { id, since: new Date(startMs + minutes * minuteMs).toISOString() };
}

/** Looks one after the other; what went is not due any more. @returns what went at each look */
function looks(all: readonly { id: string; since: string }[], ...readings: ClockReading[]): string[][] {
  let record: DueRecord | undefined;
  let left = [...all];
  return readings.map((at) => {
    const found = dueWhenAwake(
      left.filter(({ since }) => Date.parse(since) <= at.wallMs),
      record,
      at,
    );
    record = found.record;
    left = left.filter(({ id }) => !found.go.includes(id));
    return found.go;
  });
}

test('what becomes due while somebody looks goes at the next look', () => {
  assert.deepEqual(looks([due('a', 20)], reading(0), reading(15), reading(30)), [[], [], ['a']]);
});

test('what became due while nobody looked goes an hour after it was noticed, whatever lies between', () => {
  assert.deepEqual(looks([due('a', 20)], reading(0), reading(600), reading(615), reading(660)), [[], [], [], ['a']]);
  assert.deepEqual(looks([due('a', -20)], reading(0), reading(5000)), [[], ['a']]);
  assert.deepEqual(looks([due('a', 20)], reading(0), reading(600), reading(5, 660, 'second')), [[], [], ['a']]);
});

test('what piled up goes by halves, oldest first', () => {
  const all = [due('a', 1), due('b', 2), due('c', 3), due('d', 4), due('e', 5)];
  assert.deepEqual(looks(all, reading(600), reading(660), reading(675), reading(690), reading(705)), [
    [],
    ['a', 'b', 'c'],
    ['d'],
    ['e'],
    [],
  ]);
});

test('a clock that is set forth deletes nothing by itself for a day; set back before, it is as if nothing had been', () => {
  const forth = 20 * 24 * 60;
  const all = [due('a', 24 * 60)];
  assert.deepEqual(
    looks(all, reading(0), reading(15, forth), reading(90, forth), reading(24 * 60 - 1, forth)).flat(),
    [],
  );
  assert.deepEqual(
    looks(all, reading(0), reading(15, forth), reading(30), reading(24 * 60 - 5), reading(24 * 60 + 5)),
    [[], [], [], [], ['a']],
  );
  const later = looks(all, reading(0), reading(15, forth), reading(24 * 60 + 14, forth), reading(24 * 60 + 15, forth));
  assert.deepEqual(later, [[], [], [], []]);
});

test('a clock that is set back lets what was noticed wait anew', () => {
  assert.deepEqual(looks([due('a', -5000)], reading(0), reading(30, -600), reading(120, -600)), [[], [], []]);
});

test('what is due by what somebody did does not wait', () => {
  assert.deepEqual(dueWhenAwake([{ id: 'a' }], undefined, reading(0)).go, ['a']);
});
