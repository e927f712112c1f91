import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckpointInfo, MachineInfo } from '../../../engine/protocol/machines.ts';
import type { CheckpointRow } from '../../../extension/machines/checkpoint-rows.ts';
import { checkpointRows } from '../../../extension/machines/checkpoint-rows.ts';
import { checkpoint, machine } from './machines.ts';

/** The rows as indented lines, as they would be drawn. */
function draw(info: MachineInfo): string[] {
  const lines = (rows: readonly CheckpointRow[], indent: string): string[] =>
    rows.flatMap((row) =>
      row.kind === 'now'
        ? [`${indent}Now`]
        : [
            indent + (row.kind === 'guard' ? `guard ${row.before.id}` : row.checkpoint.id),
            ...lines(row.rows, `${indent}  `),
          ],
    );
  return lines(checkpointRows(info), '');
}

/** Checkpoints from `child<parent` words. */
function tree(words: string, now?: string): MachineInfo {
  const checkpoints = words.split(' ').map((word) => {
    const [id = '', parent] = word.split('<');
    return checkpoint(id, parent === undefined ? {} : { parent });
  });
  return machine({ checkpoints, now: now === undefined ? {} : { parent: now } });
}

test('Now stands alone before the first checkpoint', () => {
  assert.deepEqual(draw(machine()), ['Now']);
});

test('a line of checkpoints is one level deep, however long, with Now under the last', () => {
  assert.deepEqual(draw(tree('a b<a c<b', 'c')), ['a', 'b', 'c', '  Now']);
  const ids = Array.from({ length: 200 }, (_, index) => `c${index}`);
  const words = ids.map((id, index) => (index === 0 ? id : `${id}<c${index - 1}`)).join(' ');
  assert.deepEqual(draw(tree(words, 'c199')), [...ids, '  Now']);
});

test('Now may stand anywhere in a line, and no other row moves for it', () => {
  assert.deepEqual(draw(tree('a b<a c<b', 'a')), ['a', '  Now', 'b', 'c']);
});

test('branches are indented under the checkpoint that they grew from, each with its own under itself', () => {
  assert.deepEqual(draw(tree('a b<a x<b y<b x2<x x3<x2', 'y')), [
    'a',
    'b',
    '  x',
    '    x2',
    '    x3',
    '  y',
    '    Now',
  ]);
});

test('Now is the last of branches, as Hyper-V draws it, and makes no branch itself', () => {
  assert.deepEqual(draw(tree('a x<a y<a', 'a')), ['a', '  x', '  y', '  Now']);
  assert.deepEqual(draw(tree('a x<a y<a x2<x', 'x')), ['a', '  x', '    Now', '    x2', '  y']);
});

test('several roots are branches of the machine', () => {
  assert.deepEqual(draw(tree('a b a2<a a3<a2', 'b')), ['a', '  a2', '  a3', 'b', '  Now']);
  assert.deepEqual(draw(tree('a b<a')), ['Now', 'a', 'b']);
});

test('a checkpoint is shown even when its parent is not listed, and so is Now', () => {
  assert.deepEqual(draw(tree('b<gone')), ['Now', 'b']);
});

test('each row knows what it grew from, which its level does not tell', () => {
  const [, second] = checkpointRows(tree('a b<a', 'b'));
  assert.equal(second?.kind === 'checkpoint' ? second.parent?.id : undefined, 'a');
});

test('a guarded command is one step with its two checkpoints inside, as long as nothing else grew from the first', () => {
  const guard = { command: ['make'], where: 'here' as const, process: { pid: 1 } };
  const pair = (now: string, ...others: CheckpointInfo[]): string[] =>
    draw(
      machine({
        checkpoints: [
          checkpoint('a'),
          checkpoint('b', { parent: 'a', guard }),
          checkpoint('c', { parent: 'b', guardOf: 'b' }),
          ...others,
        ],
        now: { parent: now },
      }),
    );
  assert.deepEqual(pair('c'), ['a', 'guard b', '  b', '  c', '    Now']);
  assert.deepEqual(pair('d', checkpoint('d', { parent: 'c' })), ['a', 'guard b', '  b', '  c', 'd', '  Now']);
  assert.deepEqual(pair('b'), ['a', 'b', '  Now', 'c']);
  assert.deepEqual(pair('c', checkpoint('x', { parent: 'b' })), ['a', 'b', '  c', '    Now', '  x']);
});
