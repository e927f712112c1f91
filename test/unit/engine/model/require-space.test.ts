import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import {
  notEnoughSpace,
  waysToFree,
  type GivenUp,
  type GivingMachine,
} from '../../../../engine/model/require-space.ts';
import { formatSize } from '../../../../engine/model/size.ts';
import type { LayerHolder, LayerTree, StoredLayer } from '../../../../engine/model/space.ts';
import { estimateDelete, flatCopyBytes, savedMemoryBytes } from '../../../../engine/model/space-estimates.ts';

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

/** `base>file=GiB`; Now and the trash by their names. */
function treeOf(text: string, virtualGibibytes = 1000): LayerTree {
  const layers = text.split(' ').map((one): StoredLayer => {
    const [, parent, file = '', size = '0'] = /^(?:(.+)>)?(.+)=(\d+)$/.exec(one) ?? [];
    return {
      file,
      ...(parent === undefined ? {} : { parent }),
      allocatedBytes: Number(size) * gibibyte,
      virtualSizeBytes: virtualGibibytes * gibibyte,
    };
  });
  const holders = layers.map(({ file }): LayerHolder => ({
    kind: file === 'Now' ? 'now' : file.startsWith('trash') ? 'trash' : 'checkpoint',
    id: file,
    name: `point ${file}`,
    layers: [file],
    ownFileBytes: 0,
  }));
  return { layers, holders };
}

function givenUp(tree: LayerTree, facts: Record<string, Partial<GivenUp>> = {}): GivenUp[] {
  return tree.holders
    .filter(({ kind }) => kind === 'checkpoint')
    .map(({ id, name }) => {
      const parent = tree.layers.find(({ file }) => file === id)?.parent;
      return { id, name, ...(parent === undefined ? {} : { parent }), ...facts[id] };
    });
}

const tree = treeOf('a=9 a>b=3 a>c=7 a>d=2 a>pinned=50 b>Now=1 a>trash=4');
const machine: GivingMachine = {
  name: 'lab',
  tree,
  checkpoints: givenUp(tree, { d: { expires: '2026-11-22T00:00:00.000Z' }, pinned: { isPinned: true } }),
  nowParent: 'b',
};

/** As an operation is refused that needs so many GiB where one is free. */
function refusal(neededGibibytes: number, freeSpaceBytes?: number): CheckpointError {
  const shortBytes = (neededGibibytes - 1) * gibibyte;
  return notEnoughSpace('Taking a checkpoint of “lab”', {
    volume: '/vms/lab',
    neededBytes: neededGibibytes * gibibyte,
    freeBytes: gibibyte,
    shortBytes,
    waysToFree: waysToFree(machine, shortBytes),
    ...(freeSpaceBytes === undefined ? {} : { freeSpaceBytes }),
  });
}

test('what does not fit is refused with what is short and the cheapest ways to free it, in order', () => {
  const { code, message, data } = refusal(12, 6 * gibibyte);
  assert.equal(code, 'NotEnoughSpace');
  assert.equal(
    message,
    'Taking a checkpoint of “lab” needs 12 GiB, but the volume of /vms/lab has 1.0 GiB free: 11 GiB are short. To free space, in this order: empty the trash of “lab” (4.0 GiB); delete what of “lab” would expire by itself (2.0 GiB); delete “point c” of “lab” for good (7.0 GiB). Trash and kept states, 6.0 GiB, can go at once (ckpt free-space). Nothing was changed.',
  );
  const one = (id: string, gibibytes: number): object => ({ id, name: `point ${id}`, bytes: gibibytes * gibibyte });
  assert.deepEqual(data['waysToFree'], [
    {
      kind: 'trash',
      machine: 'lab',
      action: 'empty the trash of “lab”',
      bytes: 4 * gibibyte,
      checkpoints: [one('trash', 4)],
    },
    {
      kind: 'expiring',
      machine: 'lab',
      action: 'delete what of “lab” would expire by itself',
      bytes: 2 * gibibyte,
      checkpoints: [one('d', 2)],
    },
    {
      kind: 'checkpoint',
      machine: 'lab',
      action: 'delete “point c” of “lab” for good',
      bytes: 7 * gibibyte,
      checkpoints: [one('c', 7)],
    },
  ]);
  assert.equal(data['shortBytes'], 11 * gibibyte);
});

test('no more is given up than is needed; of other machines only what is kept in case', () => {
  const kinds = (shortGibibytes: number, discardableOnly = false): string[] =>
    waysToFree(machine, shortGibibytes * gibibyte, discardableOnly).map(({ kind }) => kind);
  assert.deepEqual(kinds(3), ['trash']);
  assert.deepEqual(kinds(5), ['trash', 'expiring']);
  assert.deepEqual(kinds(12), ['trash', 'expiring', 'checkpoint']);
  assert.deepEqual(kinds(12, true), ['trash', 'expiring']);
});

test('when that is not enough, or there is nothing to give up, it says so', () => {
  assert.match(refusal(101).message, /That is not all: free 87 GiB more elsewhere\. Nothing was changed\.$/);
  const nothing = { volume: '/', neededBytes: 1, freeBytes: 0, shortBytes: 1, waysToFree: [] };
  assert.match(
    notEnoughSpace('It', nothing).message,
    /Free some space on the volume and try again\. Nothing was changed\.$/,
  );
});

test('saved memory is more than the memory of the guest', () => {
  assert.equal(savedMemoryBytes(4 * gibibyte), 4 * gibibyte + (64 + 64) * mebibyte);
});

test('a delete moves the smaller of two layers, and has that twice for a while', () => {
  const line = treeOf('a=9 a>b=3 b>Now=1');
  assert.deepEqual(estimateDelete(line, new Set(['b'])), {
    peakBytes: gibibyte,
    lastingBytes: 0,
    movedBytes: gibibyte,
  });
  assert.deepEqual(estimateDelete(line, new Set(['a', 'b'])), {
    peakBytes: 3 * gibibyte,
    lastingBytes: 0,
    movedBytes: 4 * gibibyte,
  });
  assert.equal(estimateDelete(tree, new Set(['c'])).peakBytes, 0);
});

test('what goes whole before the first merge is there for it', () => {
  const line = treeOf('a=9 a>b=3 b>Now=1 a>c=2');
  assert.equal(estimateDelete(line, new Set(['b', 'c'])).peakBytes, 0);
});

test('a whole copy takes its content and little more, and no more than the disk is long; a fixed one takes all of it', () => {
  const disk = { format: 'qcow2' as const, virtualSizeBytes: 10 * gibibyte };
  const little = 5 * mebibyte;
  const within = (bytes: number, least: number): void =>
    assert.ok(bytes > least && bytes < least + little, String(bytes));
  within(flatCopyBytes({ ...disk, dataBytes: 8 * gibibyte }), 8 * gibibyte);
  within(flatCopyBytes({ ...disk, dataBytes: 15 * gibibyte }), 10 * gibibyte);
  within(flatCopyBytes({ ...disk, format: 'vhd', dataBytes: 0, isFixed: true }), 10 * gibibyte);
});

test('sizes for people', () => {
  const sizes: [number, string][] = [
    [0, '0 bytes'],
    [1023, '1023 bytes'],
    [200_704, '196 KiB'],
    [1.5 * gibibyte, '1.5 GiB'],
    [3000 * gibibyte, '2.9 TiB'],
  ];
  for (const [bytes, text] of sizes) {
    assert.equal(formatSize(bytes), text);
  }
});
