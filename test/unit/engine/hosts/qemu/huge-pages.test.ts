import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullIn } from '../../../../../engine/hosts/qemu/huge-pages.ts';

const mebibyte = 1024 * 1024;
const hugePageBytes = 2 * mebibyte;

test('ranges in which nearly all pages are the process’ own → found, neighbours together up to 16 MiB', () => {
  const huge = (own: number, bits = 0x81): Buffer => {
    const entries = Buffer.alloc(512 * 8);
    for (let page = 0; page < 512; page += 1) {
      // The others are the page of zeros, which everybody has.
      entries[page * 8 + 7] = page < own ? bits : 0x80;
    }
    return entries;
  };
  const start = 0x7f0000200000;
  const at = (index: number): number => start + index * hugePageBytes;
  assert.deepEqual(fullIn(Buffer.concat([huge(512), huge(480), huge(479), huge(512)]), start), [
    { start: at(0), end: at(2) },
    { start: at(3), end: at(4) },
  ]);
  assert.deepEqual(fullIn(Buffer.concat(Array.from({ length: 9 }, () => huge(512))), start), [
    { start: at(0), end: at(8) },
    { start: at(8), end: at(9) },
  ]);
  assert.deepEqual(fullIn(huge(512, 0x01), start), [], 'swapped out');
  assert.deepEqual(fullIn(huge(512).subarray(0, 4000), start), [], 'cut short');
});
