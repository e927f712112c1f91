import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import { isUnread, stateUnread } from '../../../../engine/model/unread-machine.ts';

test('what is not there now, or may not be read → not reachable; what cannot be believed → damaged', () => {
  const forbidden = Object.assign(new Error('EACCES: permission denied, scandir'), {
    code: 'EACCES',
    path: '/vms/lab',
  });
  assert.equal(stateUnread(forbidden), 'unreachable');
  assert.equal(stateUnread(new CheckpointError('MachineNotReachable', 'Its disk is away.')), 'unreachable');
  assert.equal(stateUnread(new CheckpointError('HomeNotReachable', 'The disk is away.')), 'unreachable');
  assert.equal(stateUnread(new CheckpointError('MachineDamaged', 'It is not JSON.')), 'damaged');
  assert.equal(stateUnread(new Error('EIO')), 'damaged');
});

test('of neither anything is known but where it lies', () => {
  assert.ok(isUnread({ state: 'damaged' }) && isUnread({ state: 'unreachable' }));
  assert.ok(!isUnread({ state: 'stopped' }));
});
