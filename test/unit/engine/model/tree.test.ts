import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Checkpoint } from '../../../../engine/model/checkpoint.ts';
import {
  byCreation,
  chosenForDelete,
  findCheckpoint,
  isLeaf,
  keptLast,
  ownAncestor,
  parentOfNow,
  planDelete,
  subtreeOf,
  sameLayers,
  type Tree,
} from '../../../../engine/model/tree.ts';
import { checkpoint } from '../builders.ts';

/** A tree out of edges such as `a>b b>Now`; a name alone is a root, and Now without an edge hangs from nothing. */
function treeOf(edges: string, changes: Record<string, Partial<Checkpoint>> = {}): Tree {
  const pairs = edges.split(' ').map((edge): [string, string | undefined] => {
    const [first = '', second] = edge.split('>');
    return second === undefined ? [first, undefined] : [second, first];
  });
  const parentOfNow = pairs.find(([id]) => id === 'Now')?.[1];
  return {
    machine: 'lab',
    checkpoints: pairs
      .filter(([id]) => id !== 'Now')
      .map(([id, parent]) => checkpoint(id, { ...(parent === undefined ? {} : { parent }), ...changes[id] })),
    now: {
      ...(parentOfNow === undefined ? {} : { parent: parentOfNow }),
      activeLayers: { disk0: 'layers/disk0-now.qcow2' },
    },
  };
}

/** The reverse of {@link treeOf}, in order of name. */
function edgesOf({ checkpoints, now }: Tree): string {
  const nodes = [...checkpoints, { id: 'Now', parent: now.parent }];
  return nodes
    .map(({ id, parent }) => (parent === undefined ? id : `${parent}>${id}`))
    .sort()
    .join(' ');
}

function afterDelete(tree: Tree, id: string): Tree {
  const plan = planDelete(tree, [findCheckpoint(tree, id)]);
  const reparented = new Map(plan.reparented.map((one) => [one.id, one]));
  return {
    ...tree,
    checkpoints: tree.checkpoints.filter((one) => one.id !== id).map((one) => reparented.get(one.id) ?? one),
    now: plan.now ?? tree.now,
  };
}

const deletes: [what: string, before: string, deleted: string, afterwards: string][] = [
  ["a leaf off Now's branch", 'a a>b a>c b>Now', 'c', 'a a>b b>Now'],
  ["a leaf below another leaf's parent", 'a a>b b>c b>d d>Now', 'c', 'a a>b b>d d>Now'],
  ['one in the middle, with one child', 'a a>b b>c c>Now', 'b', 'a a>c c>Now'],
  ["one in the middle off Now's branch", 'a a>b b>c a>Now', 'b', 'a a>Now a>c'],
  ['one with several children', 'a a>b b>c b>d b>e d>Now', 'b', 'a a>c a>d a>e d>Now'],
  ['a root with several children', 'a a>b a>c c>Now', 'a', 'b c c>Now'],
  ['the one that Now hangs from', 'a a>b b>Now', 'b', 'a a>Now'],
  ['the one that Now and others hang from', 'a a>b b>c b>Now', 'b', 'a a>Now a>c'],
  ['the only one', 'a a>Now', 'a', 'Now'],
  ['one of two roots', 'a b b>Now', 'a', 'b b>Now'],
];

for (const [what, before, deleted, afterwards] of deletes) {
  test(`delete ${what}: ${before} without ${deleted} → ${afterwards}`, () => {
    const tree = treeOf(before);
    assert.equal(edgesOf(afterDelete(tree, deleted)), afterwards);
  });
}

test('delete → everything but the parent of what hung from it stays as it was', () => {
  const tree = treeOf('a a>b b>c c>Now', { c: { notes: 'keep', expires: '2026-12-01T00:00:00.000Z' } });
  const [before] = tree.checkpoints.filter(({ id }) => id === 'c');
  assert.ok(before !== undefined);
  assert.deepEqual(planDelete(tree, [findCheckpoint(tree, 'b')]).reparented, [{ ...before, parent: 'a' }]);
});

test('delete several → what hung from them hangs from the nearest ancestor that stays; the same when half of it is done', () => {
  const tree = treeOf('a a>b b>c c>d d>e b>f d>Now');
  const doomed = ['b', 'c', 'd'].map((id) => findCheckpoint(tree, id));
  const plan = planDelete(tree, doomed);
  assert.deepEqual(
    plan.reparented.map(({ id, parent }) => [id, parent]),
    [
      ['e', 'a'],
      ['f', 'a'],
    ],
  );
  assert.equal(plan.now?.parent, 'a');
  const half = {
    ...tree,
    checkpoints: tree.checkpoints.map((one) => (one.id === 'e' ? { ...one, parent: 'a' } : one)),
  };
  assert.deepEqual(
    planDelete(half, doomed).reparented.map(({ id }) => id),
    ['f'],
  );
});

test('a subtree: a checkpoint and all below it, from the top down', () => {
  const tree = treeOf('a a>b b>c b>d a>e c>Now');
  assert.deepEqual(
    subtreeOf(tree, findCheckpoint(tree, 'b')).map(({ id }) => id),
    ['b', 'c', 'd'],
  );
});

test('what a delete names: each once, each after what it hangs from, whatever the order and however often it is named', () => {
  const tree = treeOf('a a>b b>c b>d a>e c>Now');
  const chosen = (...named: Parameters<typeof chosenForDelete>[1][]) =>
    named.map((one) => chosenForDelete(tree, one).map(({ id }) => id));
  assert.deepEqual(
    chosen(
      { checkpoint: 'c' },
      { checkpoint: 'c', also: ['e', 'b', 'c'] },
      { checkpoint: 'd', also: ['b'], subtree: true },
      { checkpoint: 'e', also: ['b', 'd'], subtree: true },
    ),
    [['c'], ['b', 'e', 'c'], ['b', 'c', 'd'], ['b', 'e', 'c', 'd']],
  );
  assert.throws(() => chosenForDelete(tree, { checkpoint: 'c', also: ['nothing'] }), { code: 'CheckpointNotFound' });
});

test('leaf: nothing hangs from it, no checkpoint and not Now', () => {
  const tree = treeOf('a a>b a>c b>Now');
  assert.deepEqual(
    ['a', 'b', 'c'].filter((id) => isLeaf(tree, id)),
    ['c'],
  );
});

test('find by id, by the beginning of an id, by name', () => {
  const tree = treeOf('0123abcd 4567abcd', { '4567abcd': { name: 'before upgrade' } });
  for (const reference of ['4567abcd', '4567', '4567a', 'before upgrade', '  before upgrade ']) {
    assert.equal(findCheckpoint(tree, reference).id, '4567abcd', reference);
  }
});

test('find by a name in another spelling of its characters', () => {
  const tree = treeOf('0123abcd', { '0123abcd': { name: 'Zo\u00eb' } });
  assert.equal(findCheckpoint(tree, 'Zoe\u0308').id, '0123abcd');
});

test('find by fewer than four characters of an id, or by what is not there → CheckpointNotFound', () => {
  const tree = treeOf('0123abcd');
  for (const reference of ['012', '', ' ', 'abcd', '0123abcde', 'constructor']) {
    assert.throws(() => findCheckpoint(tree, reference), { code: 'CheckpointNotFound' }, reference);
  }
});

test('a name that is also the beginning of an id → the name counts', () => {
  const tree = treeOf('0123abcd 4567abcd', { '4567abcd': { name: '0123' } });
  assert.equal(findCheckpoint(tree, '0123').id, '4567abcd');
});

test('a name that is also a whole id → the id counts', () => {
  const tree = treeOf('0123abcd 4567abcd', { '4567abcd': { name: '0123abcd' } });
  assert.equal(findCheckpoint(tree, '0123abcd').id, '0123abcd');
});

test('a name, or a beginning, of two → AmbiguousName, with both ids', () => {
  const tree = treeOf('0123aaaa 0123bbbb', { '0123aaaa': { name: 'twin' }, '0123bbbb': { name: 'twin' } });
  for (const reference of ['twin', '0123']) {
    assert.throws(() => findCheckpoint(tree, reference), {
      code: 'AmbiguousName',
      message: /0123aaaa, 0123bbbb/,
      data: { machine: 'lab', checkpoint: reference, ids: ['0123aaaa', '0123bbbb'] },
    });
  }
});

test('revert goes to the checkpoint that Now hangs from; without one → NothingToRevert', () => {
  assert.equal(parentOfNow(treeOf('a a>b a>Now')).id, 'a');
  assert.throws(() => parentOfNow(treeOf('a Now')), { code: 'NothingToRevert' });
});

test('undo goes to what Now says that the last apply kept; without that → NothingToUndo', () => {
  const expires = '2026-11-22T00:00:00.000Z';
  const tree = treeOf('a a>b a>c a>Now', { b: { expires }, c: { expires } });
  assert.equal(keptLast({ ...tree, now: { ...tree.now, undo: 'b' } }).id, 'b');
  assert.throws(() => keptLast(tree), { code: 'NothingToUndo' });
  assert.throws(() => keptLast({ ...tree, now: { ...tree.now, undo: 'gone' } }), { code: 'NothingToUndo' });
});

test('in order of creation; what was created at the same time in order of id', () => {
  const late = checkpoint('a', { created: '2026-11-21T12:00:00.000Z' });
  assert.deepEqual(
    byCreation([late, checkpoint('c'), checkpoint('b')]).map(({ id }) => id),
    ['b', 'c', 'a'],
  );
});

test('a circle of parents is found, a tree has none', () => {
  assert.equal(ownAncestor(treeOf('a a>b b>c a>d').checkpoints), undefined);
  assert.equal(ownAncestor(treeOf('a>a').checkpoints)?.id, 'a');
  assert.ok(['b', 'c', 'd'].includes(ownAncestor(treeOf('a d>b b>c c>d').checkpoints)?.id ?? ''));
  const long = Array.from({ length: 5000 }, (_, index) => (index === 0 ? 'n0' : `n${index - 1}>n${index}`));
  assert.equal(ownAncestor(treeOf(long.reverse().join(' ')).checkpoints), undefined);
});

test('the same layers: the same file for every disk', () => {
  assert.ok(sameLayers({ disk0: 'layers/a', disk1: 'layers/b' }, { disk1: 'layers/b', disk0: 'layers/a' }));
  assert.ok(!sameLayers({ disk0: 'layers/a' }, { disk0: 'layers/a', disk1: 'layers/b' }));
  assert.ok(!sameLayers({ disk0: 'layers/a' }, { disk0: 'layers/b' }));
  assert.ok(!sameLayers({ disk0: 'layers/a' }, { disk1: 'layers/a' }));
});
