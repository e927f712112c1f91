import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import { requireSpace, waysToFree, type GivenUp } from '../../../../engine/model/require-space.ts';
import { formatSize } from '../../../../engine/model/size.ts';
import type { LayerHolder, LayerTree, StoredLayer } from '../../../../engine/model/space.ts';
import {
  estimateApply,
  estimateDelete,
  estimateExport,
  estimateFlatten,
  estimateTake,
} from '../../../../engine/model/space-estimates.ts';

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
const checkpoints = givenUp(tree, { d: { expires: '2026-11-22T00:00:00.000Z' }, pinned: { isPinned: true } });
const ways = (shortBytes: number): ReturnType<typeof waysToFree> => waysToFree(tree, checkpoints, 'b', shortBytes);

test('what fits is not refused, and nothing is looked for', () => {
  requireSpace('It', 10, 10, () => assert.fail());
});

test('what does not fit is refused with what is short and the cheapest ways to free it, in order', () => {
  assert.throws(
    () => requireSpace('Taking a checkpoint of “lab”', gibibyte, 12 * gibibyte, ways),
    (error: unknown) => {
      assert.ok(error instanceof CheckpointError);
      assert.equal(error.code, 'NotEnoughSpace');
      assert.equal(
        error.message,
        'Taking a checkpoint of “lab” needs 12 GiB, but the volume has 1.0 GiB free: 11 GiB are short. To free space, in this order: empty the trash (4.0 GiB); delete what would expire by itself (2.0 GiB); delete “point c” (7.0 GiB).',
      );
      assert.deepEqual(error.data, {
        neededBytes: 12 * gibibyte,
        freeBytes: gibibyte,
        shortBytes: 11 * gibibyte,
        waysToFree: [
          { kind: 'trash', action: 'empty the trash', bytes: 4 * gibibyte },
          { kind: 'expiring', action: 'delete what would expire by itself', bytes: 2 * gibibyte, checkpoints: ['d'] },
          { kind: 'checkpoint', action: 'delete “point c”', bytes: 7 * gibibyte, checkpoints: ['c'] },
        ],
      });
      return true;
    },
  );
});

test('no more is given up than is needed', () => {
  assert.deepEqual(
    ways(3 * gibibyte).map(({ kind }) => kind),
    ['trash'],
  );
  assert.deepEqual(
    ways(5 * gibibyte).map(({ kind }) => kind),
    ['trash', 'expiring'],
  );
});

test('when that is not enough, or there is nothing to give up, it says so', () => {
  assert.throws(() => requireSpace('It', 0, 100 * gibibyte, ways), /That is not all: free 87 GiB more elsewhere\.$/);
  assert.throws(() => requireSpace('It', 0, gibibyte, () => []), /Free some space on the volume and try again\.$/);
});

test('a take needs the memory, what belongs to it, and empty layers', () => {
  assert.equal(estimateTake(2).peakBytes, 16 * mebibyte);
  const { peakBytes, lastingBytes } = estimateTake(1, 4 * gibibyte);
  assert.equal(peakBytes, 4 * gibibyte + (64 + 64 + 8) * mebibyte);
  assert.equal(lastingBytes, peakBytes);
  assert.deepEqual(estimateApply(1, 4 * gibibyte), estimateTake(1, 4 * gibibyte));
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

test('a flat export takes no more than the disk is long; a chain goes as it is', () => {
  const chain = { allocatedBytes: [8 * gibibyte, 7 * gibibyte], virtualSizeBytes: 10 * gibibyte };
  assert.equal(estimateExport([chain], false, gibibyte).peakBytes, 16 * gibibyte);
  assert.equal(estimateExport([chain], true).peakBytes, 10 * gibibyte + 8 * mebibyte);
  assert.deepEqual(estimateFlatten([chain]), estimateExport([chain], true));
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
