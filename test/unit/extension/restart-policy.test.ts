import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RestartPolicy } from '../../../extension/engine/restart-policy.ts';

test('three crashes in three minutes are followed by a restart, the fourth is not', () => {
  const policy = new RestartPolicy(3, 180_000);
  assert.deepEqual(
    [0, 1000, 2000, 3000, 179_000].map((at) => policy.mayRestart(at)),
    [true, true, true, false, false],
  );
});

test('old crashes no longer count', () => {
  const policy = new RestartPolicy(3, 180_000);
  assert.deepEqual(
    [0, 1000, 2000, 180_000, 180_500].map((at) => policy.mayRestart(at)),
    [true, true, true, true, false],
  );
});

test('a restart by a person begins anew', () => {
  const policy = new RestartPolicy(1, 180_000);
  policy.mayRestart(0);
  policy.reset();
  assert.equal(policy.mayRestart(1), true);
});
