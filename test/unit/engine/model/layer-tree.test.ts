import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRunningMerges, planTidying, type TreeLayer } from '../../../../engine/model/layer-tree.ts';

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

const running = { isBusy: true };

test('a running machine has a hidden layer and its one child open → only it can merge them', () => {
  const layers = [
    layer('base', undefined, running),
    layer('gone', 'base', { ...hidden, ...running }),
    layer('now', 'gone', running),
  ];
  assert.deepEqual(planTidying(layers), []);
  assert.deepEqual(planRunningMerges(layers), [{ kind: 'merge', disk: 'disk0', lower: 'gone', upper: 'now' }]);
});

test('a running machine, and a branch or a clone that stands on the hidden layer, or on its child → nobody merges them', () => {
  const base = layer('base', undefined, running);
  const gone = layer('gone', 'base', { ...hidden, ...running });
  const now = layer('now', 'gone', running);
  assert.deepEqual(planRunningMerges([base, gone, now, layer('branch', 'gone')]), []);
  assert.deepEqual(planRunningMerges([base, { ...gone, isCloned: true }, now]), []);
  assert.deepEqual(planRunningMerges([base, gone, { ...now, isCloned: true }]), []);
});
