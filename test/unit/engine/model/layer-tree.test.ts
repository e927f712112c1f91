import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planTidying, type TreeLayer } from '../../../../engine/model/layer-tree.ts';

function layer(name: string, parent: string | undefined, facts: Partial<TreeLayer> = {}): TreeLayer {
  const above = parent === undefined ? {} : { parent };
  return { disk: 'disk0', layer: name, ...above, isNamed: true, isBusy: false, isCloned: false, ...facts };
}

const hidden = { isNamed: false };

test('a hidden layer with one child → they are merged', () => {
  const layers = [layer('base', undefined), layer('gone', 'base', hidden), layer('now', 'gone')];
  assert.deepEqual(planTidying(layers), [{ kind: 'merge', disk: 'disk0', lower: 'gone', upper: 'now' }]);
});

test('a hidden layer with one child that a clone stands on → it stays: that child must not be written', () => {
  const layers = [
    layer('base', undefined, { isCloned: true }),
    layer('gone', 'base', { ...hidden, isCloned: true }),
    layer('cloned', 'gone', { isCloned: true }),
    layer('now', 'cloned'),
  ];
  assert.deepEqual(planTidying(layers), []);
});

test('a hidden layer below one that a clone stands on, with one child besides → it stays: the clone needs it', () => {
  const layers = [
    layer('base', undefined, { isCloned: true }),
    layer('cloned', 'base', { ...hidden, isCloned: true }),
    layer('now', 'cloned'),
  ];
  assert.deepEqual(planTidying(layers), []);
});

test('hidden layers above what a clone stands on → they are merged', () => {
  const layers = [
    layer('cloned', undefined, { isCloned: true }),
    layer('gone', 'cloned', hidden),
    layer('now', 'gone'),
  ];
  assert.deepEqual(planTidying(layers), [{ kind: 'merge', disk: 'disk0', lower: 'gone', upper: 'now' }]);
});
