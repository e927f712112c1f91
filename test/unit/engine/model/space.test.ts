import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  costOfCheckpoints,
  freedBy,
  machineSpace,
  mergesAfter,
  type LayerHolder,
  type LayerTree,
} from '../../../../engine/model/space.ts';
import { seededRandom } from '../../../support/seeded-random.ts';

/**
 * A tree out of layers such as `base=100 base>a=10 a>Now=5`; names that begin with `~` are hidden, `trash-` in the
 * trash, `clone-` linked clones on the layer that they name.
 */
function treeOf(layers: string, virtualSizeBytes = 1000, own: Record<string, number> = {}): LayerTree {
  const stored = layers.split(' ').map((text) => {
    const [, parent, file = '', bytes = '0'] = /^(?:(.+)>)?(.+)=(\d+)$/.exec(text) ?? [];
    return { file, ...(parent === undefined ? {} : { parent }), allocatedBytes: Number(bytes), virtualSizeBytes };
  });
  const holders = stored
    .filter(({ file }) => !file.startsWith('~'))
    .map(({ file }): LayerHolder => ({
      kind: file === 'Now' ? 'now' : file.startsWith('trash-') ? 'trash' : 'checkpoint',
      id: file,
      name: file,
      layers: [file],
      ownFileBytes: own[file] ?? 0,
    }));
  return { layers: stored, holders };
}

const deletes: [what: string, tree: LayerTree, deleted: string[], least: number, most: number][] = [
  ["a leaf off Now's branch: its layer goes", treeOf('a=100 a>b=20 a>Now=5'), ['b'], 20, 20],
  ['with its memory', treeOf('a=100 a>b=20 a>Now=5', 1000, { b: 64 }), ['b'], 84, 84],
  ['one child: the merge decides, at most the smaller', treeOf('a=100 a>b=20 b>Now=5'), ['b'], 0, 5],
  ['a root with one child', treeOf('a=100 a>b=20 b>Now=5'), ['a'], 0, 20],
  ['layers longer than the disk together must overlap', treeOf('a=80 a>b=70 b>Now=5', 100), ['a'], 50, 70],
  ['several children: the layer stays, hidden', treeOf('a=100 a>b=20 a>Now=5'), ['a'], 0, 0],
  ['the child of a hidden one: the rest merges', treeOf('~a=100 ~a>b=20 ~a>Now=5'), ['b'], 20, 25],
  ['a clone holds the layer', withClone(treeOf('a=100 a>b=20 a>Now=5'), 'b'), ['b'], 0, 0],
  ['a clone holds all that its layer stands on', withClone(treeOf('a=100 a>b=20 b>c=30 b>Now=5'), 'c'), ['a'], 0, 0],
  ['the trash holds it, too', treeOf('a=100 a>b=20 b>trash-c=7 a>Now=5'), ['b'], 0, 7],
  ['all of a line merge into one', treeOf('a=100 a>b=20 b>c=30 c>Now=5'), ['a', 'b', 'c'], 0, 55],
  ['what merges already without it is not counted', treeOf('~a=100 ~a>b=20 b>c=7 b>Now=5'), ['c'], 7, 7],
  ['a whole branch', treeOf('a=100 a>b=20 b>c=30 a>Now=5'), ['b', 'c'], 50, 50],
];

function withClone(tree: LayerTree, layer: string): LayerTree {
  const clone: LayerHolder = { kind: 'clone', id: 'clone', name: 'clone', layers: [layer], ownFileBytes: 0 };
  return { ...tree, holders: [...tree.holders, clone] };
}

for (const [what, tree, deleted, leastBytes, mostBytes] of deletes) {
  test(`${what}: ${deleted.join(', ')} frees ${leastBytes} to ${mostBytes}`, () => {
    assert.deepEqual(freedBy(tree, new Set(deleted)), { leastBytes, mostBytes });
  });
}

test('the space of a machine', () => {
  const tree = treeOf('a=100 a>b=20 b>c=30 b>Now=5 a>trash-d=8 ~lost=3', 1000, { c: 64, 'trash-d': 2 });
  assert.deepEqual(machineSpace('lab', tree), {
    machine: 'lab',
    totalBytes: 232,
    nowBytes: 5,
    checkpoints: [
      { id: 'a', name: 'a', exclusive: { leastBytes: 0, mostBytes: 0 }, sharedBytes: 100, memoryBytes: 0 },
      { id: 'b', name: 'b', exclusive: { leastBytes: 0, mostBytes: 0 }, sharedBytes: 120, memoryBytes: 0 },
      { id: 'c', name: 'c', exclusive: { leastBytes: 94, mostBytes: 94 }, sharedBytes: 120, memoryBytes: 64 },
    ],
    allCheckpoints: { leastBytes: 94, mostBytes: 99 },
    trash: { leastBytes: 10, mostBytes: 10 },
    unusedBytes: 3,
  });
});

test('the merges that a delete makes possible go from the bottom up', () => {
  const tree = treeOf('a=100 a>b=20 b>Now=5');
  assert.deepEqual(
    mergesAfter(tree, new Set(['a', 'b'])).map((run) => run.map(({ file }) => file)),
    [['a', 'b', 'Now']],
  );
});

test('layers that are missing, or their own ancestors, end the chain', () => {
  assert.deepEqual(freedBy(treeOf('gone>a=10 a>Now=5'), new Set(['a'])), { leastBytes: 0, mostBytes: 5 });
  assert.equal(machineSpace('lab', treeOf('b>a=10 a>b=10 a>Now=5')).totalBytes, 25);
});

test('in random trees: sole and shared bytes make up the disk, and bounds hold and grow', () => {
  const random = seededRandom();
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let round = 0; round < 1000; round += 1) {
    const names: string[] = [];
    const texts: string[] = [];
    for (let index = 0; index < 1 + below(12); index += 1) {
      const name = random() < 0.2 ? `~${index}` : random() < 0.15 ? `trash-${index}` : `c${index}`;
      const parent = names[below(names.length + 1)];
      texts.push(`${parent === undefined ? '' : `${parent}>`}${name}=${below(100)}`);
      names.push(name);
    }
    texts.push(`${names.at(-1)}>Now=${below(50)}`);
    const tree = treeOf(texts.join(' '), 150, Object.fromEntries(names.map((name) => [name, below(2) * 30])));
    const space = machineSpace('lab', tree);
    const shown = texts.join(' ');

    // A plain model: each layer is held by everything that reaches it, and counts once.
    const reaches = (id: string): Set<string> => {
      const found = new Set<string>();
      for (let at = tree.layers.find(({ file }) => file === id); at !== undefined;) {
        found.add(at.file);
        const { parent } = at;
        at = tree.layers.find(({ file }) => file === parent);
      }
      return found;
    };
    const held = tree.holders.map(({ id }) => ({ id, files: reaches(id) }));
    const holdersOf = (file: string): string[] => held.filter(({ files }) => files.has(file)).map(({ id }) => id);
    const bytes = (isCounted: (file: string) => boolean): number =>
      tree.layers.filter(({ file }) => isCounted(file)).reduce((total, one) => total + one.allocatedBytes, 0);
    const own = tree.holders.reduce((total, { ownFileBytes }) => total + ownFileBytes, 0);
    assert.equal(space.totalBytes, bytes(() => true) + own, shown);
    assert.equal(
      space.unusedBytes,
      bytes((file) => holdersOf(file).length === 0),
      shown,
    );
    for (const { id, exclusive, sharedBytes, memoryBytes } of space.checkpoints) {
      const sole = bytes((file) => holdersOf(file).join() === id);
      const standsOn = bytes((file) => holdersOf(file).includes(id));
      assert.equal(sharedBytes, standsOn - sole, shown);
      assert.ok(exclusive.leastBytes >= sole + memoryBytes, shown);
      assert.ok(exclusive.mostBytes >= exclusive.leastBytes, shown);
    }
    const everything = freedBy(tree, new Set(tree.holders.map(({ id }) => id)));
    assert.deepEqual(
      everything,
      { leastBytes: space.totalBytes - space.unusedBytes, mostBytes: space.totalBytes - space.unusedBytes },
      shown,
    );

    const cost = costOfCheckpoints(tree);
    const left = new Set(space.checkpoints.map(({ id }) => id));
    let before = cost(left);
    assert.equal(before, space.allCheckpoints.mostBytes, shown);
    for (const { id } of space.checkpoints) {
      left.delete(id);
      assert.ok(cost(left) <= before, `deleting ${id} makes ${shown} dearer`);
      before = cost(left);
    }
    assert.equal(before, 0, shown);
  }
});
