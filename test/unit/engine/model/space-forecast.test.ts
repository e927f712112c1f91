import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forecast, recentSamples, type SpaceSample } from '../../../../engine/model/space-forecast.ts';

const gibibyte = 2 ** 30;
const minuteMs = 60_000;

/** What a volume of 1000 GiB had free, a look each minute. */
function looks(...freeGibibytes: number[]): SpaceSample[] {
  return freeGibibytes.map((free, minute) => ({ atMs: minute * minuteMs, freeBytes: free * gibibyte }));
}

function levelOf(samples: readonly SpaceSample[], sizeGibibytes = 1000): string {
  const expected = forecast(samples, sizeGibibytes * gibibyte);
  return expected === undefined ? 'none' : `${expected.level} ${expected.minutesLeft ?? '-'}`;
}

test('little is free → low, and critical, whatever the rate; on a small volume by its share', () => {
  assert.equal(levelOf(looks(500)), 'none');
  assert.equal(levelOf(looks(1.9)), 'low -');
  assert.equal(levelOf(looks(0.2)), 'critical -');
  assert.equal(levelOf(looks(1.9), 4), 'none');
  assert.equal(levelOf(looks(0.3), 4), 'low -');
  assert.equal(levelOf(looks(0.05), 4), 'critical -');
});

test('it is getting less → warned by when it is gone, not by how much there is', () => {
  assert.equal(levelOf(looks(500, 490, 480)), 'none', '48 minutes');
  assert.equal(levelOf(looks(300, 280, 260)), 'low 13');
  assert.equal(levelOf(looks(90, 50, 10)), 'critical 0');
  assert.equal(levelOf(looks(100, 100, 100)), 'none');
});

test('one burst of a few seconds says nothing of the rate', () => {
  const burst = [
    { atMs: 0, freeBytes: 100 * gibibyte },
    { atMs: 10_000, freeBytes: 95 * gibibyte },
  ];
  assert.equal(levelOf(burst), 'none');
});

test('samples: the latest minutes; freeing space begins anew', () => {
  const samples = looks(100, 99, 98, 97, 96, 95, 94);
  const added = { atMs: 7 * minuteMs, freeBytes: 93 * gibibyte };
  assert.deepEqual(recentSamples(samples, added), [...samples.slice(2), added]);
  const freed = { atMs: 7 * minuteMs, freeBytes: 200 * gibibyte };
  assert.deepEqual(recentSamples(samples, freed), [freed]);
});
