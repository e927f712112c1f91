import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCount, parseSize, withCount } from '../../../extension/machines/retention-rules.ts';

test('counts are whole numbers from 1; nothing is no rule', () => {
  assert.deepEqual(['5', ' 12 ', '', '0', '-1', '1.5', 'x', '100001'].map(parseCount), [
    5,
    12,
    undefined,
    'invalid',
    'invalid',
    'invalid',
    'invalid',
    'invalid',
  ]);
});

test('sizes have a unit', () => {
  assert.equal(parseSize('20 GiB'), 20 * 1024 ** 3);
  assert.equal(parseSize('1.5g'), 1.5 * 1024 ** 3);
  assert.equal(parseSize('500M'), 500 * 1024 ** 2);
  assert.equal(parseSize(' '), undefined);
  assert.equal(parseSize('20'), 'invalid');
  assert.equal(parseSize('0 G'), 'invalid');
});

test('a rule is replaced, or taken away', () => {
  assert.deepEqual(withCount({ daily: 7, keepLast: 3 }, 'daily', 5), { daily: 5, keepLast: 3 });
  assert.deepEqual(withCount({ daily: 7, keepLast: 3 }, 'daily', undefined), { keepLast: 3 });
});
