import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLost, type Ground } from '../../../../engine/store/home-volume.ts';

const disk = 7;
const above = 1;
const other = 9;
const lab = { name: 'lab', path: '/vms/machines/lab', isElsewhere: false, isUnsettled: false };

const table: { what: string; seen: number; ground: Ground; now: number; lost: boolean }[] = [
  { what: 'as it was', seen: 1, ground: { device: disk, isThere: true }, now: 1, lost: false },
  { what: 'its last machine was removed', seen: 1, ground: { device: disk, isThere: true }, now: 0, lost: false },
  { what: 'the home was removed', seen: 1, ground: { device: disk, isThere: false }, now: 0, lost: false },
  { what: 'the volume has gone', seen: 1, ground: { device: above, isThere: false }, now: 0, lost: true },
  {
    what: 'it had no machines, and has gone',
    seen: 0,
    ground: { device: above, isThere: false },
    now: 0,
    lost: true,
  },
  {
    what: 'it was mounted on the folder of the machines itself, and has gone',
    seen: 1,
    ground: { device: above, isThere: true },
    now: 0,
    lost: true,
  },
  {
    what: 'it had no machines, and another one is there',
    seen: 0,
    ground: { device: other, isThere: true },
    now: 0,
    lost: false,
  },
  { what: 'it is back under another number', seen: 1, ground: { device: other, isThere: true }, now: 1, lost: false },
];

for (const { what, seen, ground, now, lost } of table) {
  test(`${what} → ${lost ? 'out of reach' : 'what is there now'}`, () => {
    assert.equal(isLost({ device: disk, machines: Array.from({ length: seen }, () => lab) }, ground, now), lost);
  });
}
