import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineInfo } from '../../../engine/protocol/machines.ts';
import type { CheckpointBranch } from '../../../extension/machines/checkpoint-tree.ts';
import { checkpointTree } from '../../../extension/machines/checkpoint-tree.ts';
import { checkpoint, machine } from './machines.ts';

/** The tree as indented lines, as it would be drawn. */
function draw(info: MachineInfo): string[] {
  const lines = (branch: CheckpointBranch, indent: string): string[] => [
    indent + branch.checkpoint.id,
    ...branch.branches.flatMap((child) => lines(child, `${indent}  `)),
    ...(branch.holdsNow ? [`${indent}  Now`] : []),
  ];
  const tree = checkpointTree(info);
  return [...tree.roots.flatMap((root) => lines(root, '')), ...(tree.holdsNow ? ['Now'] : [])];
}

test('Now stands alone before the first checkpoint', () => {
  assert.deepEqual(draw(machine()), ['Now']);
});

test('two branches, with Now under the checkpoint that it grew from', () => {
  const checkpoints = [
    checkpoint('a'),
    checkpoint('b', { parent: 'a' }),
    checkpoint('c', { parent: 'b' }),
    checkpoint('d', { parent: 'a' }),
  ];
  assert.deepEqual(draw(machine({ checkpoints, now: { parent: 'b' } })), ['a', '  b', '    c', '    Now', '  d']);
});

test('a checkpoint is shown even when its parent is not listed, and so is Now', () => {
  const checkpoints = [checkpoint('b', { parent: 'gone' })];
  assert.deepEqual(draw(machine({ checkpoints, now: { parent: 'gone' } })), ['b', 'Now']);
});
