import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  notBehind,
  runningSecondsOf,
  withSighting,
  type RunningTime,
  type Sighting,
} from '../../../../engine/model/running-time.ts';

const none: RunningTime = { milliseconds: 0 };

function running(process: string, atMs: number): Sighting {
  return { process, isRunning: true, atMs };
}

function after(...sightings: (Sighting | undefined)[]): number {
  return sightings.reduce(withSighting, none).milliseconds;
}

test('the time between looks at the same running process counts, however often it is looked at', () => {
  assert.equal(after(running('a', 1000), running('a', 61_000)), 60_000);
  assert.equal(after(running('a', 1000), running('a', 2000), running('a', 2000), running('a', 61_000)), 60_000);
});

test('a machine that is paused does not run', () => {
  const paused: Sighting = { process: 'a', isRunning: false, atMs: 10_000 };
  assert.equal(after(running('a', 0), paused, { ...paused, atMs: 90_000 }, running('a', 100_000)), 10_000);
});

test('what a process ran after it was last seen does not count, whether stopped or another is found', () => {
  assert.equal(after(running('a', 0), running('a', 5000), undefined, running('b', 900_000)), 5000);
  assert.equal(after(running('a', 0), running('a', 5000), running('b', 900_000), running('b', 901_000)), 6000);
});

test('a clock that goes back, as one of another boot would, adds nothing and takes nothing', () => {
  assert.equal(after(running('a', 50_000), running('a', 10_000), running('a', 11_000)), 1000);
});

test('a lost record, or one of before the checkpoints, goes on at the newest checkpoint', () => {
  assert.deepEqual(notBehind(undefined, [3, undefined, 7]), { milliseconds: 7000 });
  assert.deepEqual(notBehind({ milliseconds: 2000, last: running('a', 1) }, [7]), {
    milliseconds: 7000,
    last: running('a', 1),
  });
  assert.deepEqual(notBehind({ milliseconds: 7999 }, [7]), { milliseconds: 7999 });
  assert.equal(runningSecondsOf({ milliseconds: 7999 }), 7);
});
