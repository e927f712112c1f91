import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpointGroups } from '../../../extension/machines/groups.ts';
import { checkpoint, machine } from './machines.ts';

test('checkpoints with the same group belong together, the newest group first', () => {
  const a = machine({
    name: 'a',
    checkpoints: [
      checkpoint('a1', { group: 'g1', name: 'old', created: '2026-11-20T10:00:01.000Z' }),
      checkpoint('a2'),
      checkpoint('a3', { group: 'g2', name: 'new', created: '2026-11-21T10:00:00.000Z' }),
    ],
  });
  const b = machine({
    name: 'b',
    checkpoints: [checkpoint('b1', { group: 'g1', name: 'old', created: '2026-11-20T10:00:00.000Z' })],
  });
  assert.deepEqual(
    checkpointGroups([a, b]).map(({ id, name, created, members }) => [
      id,
      name,
      created,
      members.map((member) => `${member.machine.name}:${member.checkpoint.id}`).join(),
    ]),
    [
      ['g2', 'new', '2026-11-21T10:00:00.000Z', 'a:a3'],
      ['g1', 'old', '2026-11-20T10:00:00.000Z', 'a:a1,b:b1'],
    ],
  );
});
