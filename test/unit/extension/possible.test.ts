import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineState } from '../../../engine/protocol/machines.ts';
import type { MachineOperation } from '../../../extension/machines/possible.ts';
import { keptLast, obstacle, parentOfNow } from '../../../extension/machines/possible.ts';
import { checkpoint, machine } from './machines.ts';

const operations: MachineOperation[] = [
  'start',
  'stop',
  'forceStop',
  'pause',
  'resume',
  'reset',
  'saveState',
  'discardState',
  'openConsole',
  'take',
  'revert',
  'undo',
  'apply',
  'redo',
  'restore',
  'emptyTrash',
];

function possible(state: MachineState, facts: Parameters<typeof machine>[0] = {}): string[] {
  return operations.filter((operation) => obstacle(operation, machine({ ...facts, state })) === undefined);
}

test('what is possible follows from the state', () => {
  assert.deepEqual(possible('stopped'), ['start', 'take']);
  assert.deepEqual(possible('running'), [
    ...['stop', 'forceStop', 'pause', 'reset', 'saveState', 'openConsole', 'take'],
  ]);
  assert.deepEqual(possible('paused'), ['forceStop', 'resume', 'reset', 'saveState', 'openConsole', 'take']);
  assert.deepEqual(possible('saved'), ['start', 'discardState', 'take']);
});

test('machines of plain disk images are not started or stopped by us', () => {
  assert.deepEqual(possible('stopped', { host: 'disks' }), ['take']);
  assert.equal(obstacle('start', machine({ host: 'disks' })), 'disksOnly');
});

test('redo needs what was undone, and the trash what was deleted', () => {
  assert.ok(possible('stopped', { now: { redo: 'r' } }).includes('redo'));
  const trash = [
    { checkpoint: checkpoint('t'), deleted: '2026-11-21T09:15:03.000Z', expires: '2026-11-22T09:15:03.000Z' },
  ];
  assert.deepEqual(possible('stopped', { trash }), ['start', 'take', 'restore', 'emptyTrash']);
});

test('whole machines must be stopped to be copied, plain disk images too', () => {
  const checkpoints = [checkpoint('a')];
  assert.equal(obstacle('clone', machine()), undefined, 'a stopped machine has its Now');
  assert.equal(obstacle('clone', machine({ state: 'running' })), 'noCheckpoint');
  assert.equal(obstacle('clone', machine({ state: 'running', checkpoints })), undefined);
  assert.equal(obstacle('exportMachine', machine({ state: 'running' })), 'mustBeStopped');
  assert.equal(obstacle('flatten', machine({ state: 'paused' })), 'mustBeStopped');
  assert.equal(obstacle('clone', machine({ host: 'disks', checkpoints })), undefined);
  assert.equal(obstacle('exportCheckpoint', machine({ host: 'disks', checkpoints })), undefined);
});

test('a machine that is damaged or not reachable can be removed and nothing else', () => {
  assert.deepEqual(possible('damaged'), []);
  assert.deepEqual(possible('unreachable'), []);
  assert.equal(obstacle('take', machine({ state: 'unreachable', host: 'disks' })), 'unreachable');
  assert.equal(obstacle('remove', machine({ state: 'damaged' })), undefined);
});

test('revert needs the checkpoint that Now hangs from', () => {
  const checkpoints = [checkpoint('a')];
  assert.deepEqual(possible('stopped', { checkpoints, now: { parent: 'a' } }), ['start', 'take', 'revert', 'apply']);
  assert.deepEqual(possible('stopped', { checkpoints }), ['start', 'take', 'apply']);
  assert.equal(parentOfNow(machine({ checkpoints, now: { parent: 'a' } }))?.id, 'a');
});

test('undo needs what an apply kept', () => {
  const kept = checkpoint('k', { expires: '2026-11-22T09:15:03.000Z', createdBy: 'apply' });
  assert.ok(possible('running', { checkpoints: [kept], now: { undo: 'k' } }).includes('undo'));
  assert.equal(obstacle('undo', machine()), 'nothingToUndo');
  assert.equal(obstacle('undo', machine({ checkpoints: [kept] })), 'nothingToUndo', 'the last one discarded Now');
  const later = checkpoint('l', { expires: '2026-11-22T10:00:00.000Z', createdBy: 'undo' });
  const both = { checkpoints: [kept, later, checkpoint('n')], now: { undo: 'l' } };
  assert.equal(keptLast(machine(both))?.id, 'l');
});
