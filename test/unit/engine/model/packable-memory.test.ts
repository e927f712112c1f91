import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Checkpoint } from '../../../../engine/model/checkpoint.ts';
import { packableCheckpoints } from '../../../../engine/model/packable-memory.ts';
import type { SavedMemory } from '../../../../engine/model/saved-memory.ts';

const memory: SavedMemory = {
  file: 'memory/a.state',
  sizeBytes: 1000,
  wasPaused: false,
  hypervisor: { version: '7.2', accelerator: 'tcg', guestArguments: [] },
};

function checkpoint(id: string, day: number, more: Partial<Checkpoint> = {}): Checkpoint {
  return {
    id,
    name: id,
    created: `2026-01-0${day}T00:00:00.000Z`,
    createdBy: 'person',
    consistency: 'crash',
    layers: {},
    definition: { id, name: 'lab', host: 'qemu', created: '2026-01-01T00:00:00.000Z', disks: [] },
    memory,
    ...more,
  };
}

const { memory: _, ...withoutMemory } = checkpoint('no memory', 1);
const checkpoints = [
  checkpoint('third', 3),
  checkpoint('parent of Now', 1),
  withoutMemory,
  checkpoint('kept', 1, { expires: '2026-01-09T00:00:00.000Z' }),
  checkpoint('packed', 1, { memory: { ...memory, packedBytes: 10 } }),
  checkpoint('does not shrink', 1, { memory: { ...memory, isPackable: false } }),
  checkpoint('first', 1),
];
const now = { parent: 'parent of Now' };
const packable = (takenBefore?: Date): string[] =>
  packableCheckpoints(checkpoints, now, takenBefore).map(({ id }) => id);

test('packed is what was not tried, does not expire, and is not what Now hangs from; the oldest first', () => {
  assert.deepEqual(packable(), ['first', 'third']);
});

test('taken before a day → only those', () => {
  assert.deepEqual(packable(new Date('2026-01-02T00:00:00.000Z')), ['first']);
});
