import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Checkpoint } from '../../../../engine/model/checkpoint.ts';
import { supersededBy } from '../../../../engine/model/superseded.ts';

const definition: Checkpoint['definition'] = {
  id: '00000000-0000-4000-8000-000000000000',
  name: 'lab',
  host: 'qemu',
  created: '2026-01-01T00:00:00.000Z',
  disks: [],
};

function checkpoint(number: number, facts: Partial<Checkpoint> = {}): Checkpoint {
  return {
    id: `c${number}`,
    name: 'before',
    created: `2026-01-01T00:00:0${number}.000Z`,
    createdBy: 'task',
    consistency: 'offline',
    layers: {},
    definition,
    ...facts,
  };
}

const doomed = (checkpoints: Checkpoint[], taken: string, count: number): string[] =>
  supersededBy(checkpoints, taken, count).map(({ id }) => id);

test('the oldest of the same name go, the newest stay', () => {
  const all = [3, 1, 4, 2].map((number) => checkpoint(number));
  assert.deepEqual(doomed(all, 'c4', 2), ['c1', 'c2']);
  assert.deepEqual(doomed(all, 'c4', 4), []);
  assert.deepEqual(doomed(all, 'c4', 1), ['c1', 'c2', 'c3']);
});

test('another name, another maker and a pin keep one', () => {
  const all = [
    checkpoint(1, { name: 'other' }),
    checkpoint(2, { createdBy: 'person' }),
    checkpoint(3, { pinned: true }),
    checkpoint(4),
    checkpoint(5),
  ];
  assert.deepEqual(doomed(all, 'c5', 1), ['c4']);
});
