import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainHidden } from '../../../../engine/model/hidden-layers.ts';
import { planTidying, type TreeLayer } from '../../../../engine/model/layer-tree.ts';

function layer(name: string, parent: string | undefined, facts: Partial<TreeLayer> = {}): TreeLayer {
  const above = parent === undefined ? {} : { parent };
  return { disk: 'disk0', layer: name, ...above, isNamed: true, isBusy: false, isCloned: false, ...facts };
}

const hidden = { isNamed: false };
const point = (name: string): { name: string; layers: Record<string, string> } => ({ name, layers: { disk0: name } });

const stories: Readonly<Record<string, { layers: TreeLayer[]; points: string[]; told: unknown }>> = {
  'two children → both need it, and it stays': {
    layers: [layer('base', undefined), layer('gone', 'base', hidden), layer('a', 'gone'), layer('b', 'gone')],
    points: ['a', 'b', 'base'],
    told: [['gone', ['a', 'b'], 'several']],
  },
  'a hidden one on a hidden one → each with all that stand above it': {
    layers: [
      layer('low', undefined, hidden),
      layer('high', 'low', hidden),
      layer('a', 'high'),
      layer('b', 'high'),
      layer('c', 'low'),
    ],
    points: ['a', 'b', 'c'],
    told: [
      ['low', ['a', 'b', 'c'], 'several'],
      ['high', ['a', 'b'], 'several'],
    ],
  },
  'one child, nothing else → it is due': {
    layers: [layer('base', undefined), layer('gone', 'base', hidden), layer('now', 'gone')],
    points: ['now'],
    told: [['gone', ['now'], 'due']],
  },
  'one child, of a machine that runs': {
    layers: [layer('gone', undefined, { ...hidden, isBusy: true }), layer('now', 'gone', { isBusy: true })],
    points: ['now'],
    told: [['gone', ['now'], 'running']],
  },
  'one child that a clone stands on': {
    layers: [layer('gone', undefined, hidden), layer('now', 'gone', { isCloned: true })],
    points: ['now'],
    told: [['gone', ['now'], 'clone']],
  },
  'the same name on another disk is another layer': {
    layers: [layer('gone', undefined, hidden), layer('a', 'gone'), layer('b', 'gone', { disk: 'disk1' })],
    points: ['a', 'b'],
    told: [['gone', ['a'], 'due']],
  },
};

for (const [what, { layers, points, told }] of Object.entries(stories)) {
  test(what, () => {
    const explained = explainHidden(layers, points.map(point));
    assert.deepEqual(
      explained.map((one) => [one.layer.layer, one.neededBy.map(({ name }) => name), one.why]),
      told,
    );
    // What is said to be due is what would go now, and nothing else is.
    assert.deepEqual(
      explained.filter(({ why }) => why === 'due').map((one) => one.layer.layer),
      planTidying(layers).flatMap((step) => (step.kind === 'merge' ? [step.lower] : [])),
    );
  });
}
