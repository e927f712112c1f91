import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, formatSpan } from '../../../extension/presentation/duration.ts';
import { formatSize } from '../../../extension/presentation/size.ts';

test('durations as measured', () => {
  assert.deepEqual([0, 849.6, 999.4, 999.6, 1234, 59_949, 59_960, 125_000].map(formatDuration), [
    '0 ms',
    '850 ms',
    '999 ms',
    '1.0 s',
    '1.2 s',
    '59.9 s',
    '1 min 0 s',
    '2 min 5 s',
  ]);
});

test('spans roughly', () => {
  const minute = 60_000;
  assert.deepEqual([-5, 0, minute, 59 * minute, 60 * minute, 23.9 * 60 * minute, 48 * 60 * minute].map(formatSpan), [
    '0 min',
    '0 min',
    '1 min',
    '59 min',
    '1 h',
    '23 h',
    '2 d',
  ]);
});

test('sizes', () => {
  assert.deepEqual([0, 1023, 1024, 200_704, 268_435_456, 1_610_612_736, 1_048_575].map(formatSize), [
    '0 bytes',
    '1023 bytes',
    '1.0 KiB',
    '196 KiB',
    '256 MiB',
    '1.5 GiB',
    '1.0 MiB',
  ]);
});
