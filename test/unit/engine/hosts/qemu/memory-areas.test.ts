import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestAreas } from '../../../../../engine/hosts/qemu/memory-areas.ts';

const mebibyte = 1024 * 1024;

/** proc_pid_smaps(5), with the fields that count. */
function area(range: string, permissions: string, flags: string): string {
  return `${range} ${permissions} 00000000 00:00 0 \nSize:            1048576 kB\nRss:             71680 kB\nAnonHugePages:   61440 kB\nVmFlags: rd wr mr mw me ac ${flags} \n`;
}

test('areas for which huge pages are wanted, other than what tcg translated → the guest’s memory', () => {
  const smaps =
    area('55d0c0000000-55d0c4000000', 'rw-p', 'sd') +
    area('7f0000200000-7f0040200000', 'rw-p', 'dc hg') +
    area('7f1000000000-7f1040000000', 'rwxp', 'dc hg') +
    area('7f2000000000-7f2000400000', 'rw-s', 'sh dc hg');
  const sizes = { residentBytes: 70 * mebibyte, hugeBytes: 60 * mebibyte };
  assert.deepEqual(guestAreas(smaps), [
    { start: 0x7f0000200000, end: 0x7f0040200000, ...sizes },
    { start: 0x7f2000000000, end: 0x7f2000400000, ...sizes },
  ]);
  assert.deepEqual(guestAreas(''), []);
});
