import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longestLimitMs, nextPace, type Pace } from '../../../../../engine/hosts/qemu/merge-pace.ts';

const mebibyte = 2 ** 20;
const stepMs = 100;

interface Simulated {
  /** Bytes a second: what the job copies, and what the guest would write. */
  copies: number;
  writes: number | ((second: number) => number);
  leftBytes: number;
}

/**
 * A job that copies and a guest that writes what it may.
 * @returns how the job ended, after how long, and what the guest might write at last
 */
function simulate({ copies, writes, leftBytes }: Simulated): {
  end: 'done' | 'given up' | 'never';
  seconds: number;
  limit: number | undefined;
} {
  let pace: Pace | undefined;
  let left = leftBytes;
  let done = 0;
  for (let atMs = 0; atMs < 3_600_000; atMs += stepMs) {
    const wanted = typeof writes === 'number' ? writes : writes(atMs / 1000);
    const step = nextPace(pace, { atMs, doneBytes: done, leftBytes: left });
    pace = step.pace;
    const limit = pace.limit?.bytesPerSecond;
    if (step.isGivenUp || left === 0) {
      return { end: step.isGivenUp ? 'given up' : 'done', seconds: atMs / 1000, limit };
    }
    const [copied, written] = [copies, Math.min(wanted, limit ?? Infinity)].map((rate) => (rate * stepMs) / 1000);
    assert.ok(copied !== undefined && written !== undefined);
    done += Math.min(left + written, copied);
    left = Math.max(0, left + written - copied);
  }
  return { end: 'never', seconds: 3600, limit: pace?.limit?.bytesPerSecond };
}

test('a guest that writes little is never slowed down, however much there is to copy', () => {
  const { end, limit } = simulate({ copies: 100 * mebibyte, writes: 50 * mebibyte, leftBytes: 100_000 * mebibyte });
  assert.deepEqual([end, limit], ['done', undefined]);
});

test('a guest that writes in gusts shorter than the breath between them is not slowed down', () => {
  const writes = (second: number): number => (second % 2 < 0.5 ? 200 * mebibyte : 0);
  const { end, limit } = simulate({ copies: 100 * mebibyte, writes, leftBytes: 2000 * mebibyte });
  assert.deepEqual([end, limit], ['done', undefined]);
});

test('a guest that writes as fast as it is copied, or faster → slowed down until the job comes nearer to its end', () => {
  for (const writes of [95 * mebibyte, 100 * mebibyte, 300 * mebibyte]) {
    let nearest = Number.POSITIVE_INFINITY;
    let pace = nextPace(undefined, { atMs: 0, doneBytes: 0, leftBytes: 1000 * mebibyte }).pace;
    let [left, done] = [1000 * mebibyte, 0];
    for (let atMs = stepMs; atMs < 60_000 && left > 0; atMs += stepMs) {
      const copied = (100 * mebibyte * stepMs) / 1000;
      done += copied;
      left += (Math.min(writes, pace.limit?.bytesPerSecond ?? Infinity) * stepMs) / 1000 - copied;
      const step = nextPace(pace, { atMs, doneBytes: done, leftBytes: left });
      assert.equal(step.isGivenUp, false);
      pace = step.pace;
      nearest = Math.min(nearest, left);
    }
    assert.ok(nearest <= 0, `${writes}: ${nearest} left`);
    assert.ok((pace.limit?.bytesPerSecond ?? 0) >= 25 * mebibyte, 'and no further than that takes');
  }
});

test('there is so much to copy that it takes too long even so → given up, within the time that a guest may be slowed down', () => {
  const { end, seconds } = simulate({ copies: mebibyte, writes: 10 * mebibyte, leftBytes: 10_000 * mebibyte });
  assert.equal(end, 'given up');
  assert.ok(seconds * 1000 <= longestLimitMs + 5000, `${seconds} s`);
});

test('copied so slowly that the guest could hardly write at all → given up soon', () => {
  const { end, seconds } = simulate({ copies: 64 * 1024, writes: mebibyte, leftBytes: 10 * mebibyte });
  assert.equal(end, 'given up');
  assert.ok(seconds < 20, `${seconds} s`);
});

test('what a guest that is slowed down writes at once, in one window, does not end the merge', () => {
  let pace = nextPace(undefined, { atMs: 0, doneBytes: 0, leftBytes: mebibyte }).pace;
  for (let window = 1; window < 20; window += 1) {
    const leftBytes = window % 4 === 0 ? mebibyte / 2 : mebibyte;
    const next = nextPace(pace, { atMs: window * 2000, doneBytes: window * mebibyte, leftBytes });
    assert.equal(next.isGivenUp, false);
    pace = next.pace;
  }
  assert.ok(pace.limit !== undefined);
});

test('a disk that copies nothing for a while is no reason to slow the guest down', () => {
  let pace = nextPace(undefined, { atMs: 0, doneBytes: 0, leftBytes: mebibyte }).pace;
  for (let atMs = 1000; atMs < 60_000; atMs += 1000) {
    pace = nextPace(pace, { atMs, doneBytes: 0, leftBytes: mebibyte }).pace;
  }
  assert.equal(pace.limit, undefined);
});
