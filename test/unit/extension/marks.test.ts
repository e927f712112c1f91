import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../../../engine/protocol/doctor.ts';
import { attentionOf, countOf } from '../../../extension/machines/attention.ts';
import { changedPlaces, marksOf, openFaults, type Mark } from '../../../extension/machines/marks.ts';
import { checkpoint, machine } from './machines.ts';

const fault = (facts: Partial<Finding> = {}): Finding => ({
  code: 'chain',
  severity: 'error',
  path: '/machines/playground/layers/a.qcow2',
  message: 'It is broken.',
  sentences: [],
  isRepaired: false,
  ...facts,
});

test('the checkpoint that Now grew from, and those that are pinned', () => {
  const info = machine({
    checkpoints: [
      checkpoint('a', { pinned: true }),
      checkpoint('b', { parent: 'a' }),
      checkpoint('c', { parent: 'b' }),
    ],
    now: { parent: 'c' },
  });
  assert.deepEqual(
    [...marksOf(info, []).checkpoints],
    [
      ['a', ['pinned']],
      ['c', ['current']],
    ],
  );
  assert.deepEqual(marksOf(info, []).machine, []);
  const revertedToPinned = { ...info, now: { parent: 'a' } };
  assert.deepEqual(marksOf(revertedToPinned, []).checkpoints.get('a'), ['current', 'pinned']);
});

test('a machine that something is wrong with, and one with an interrupted job', () => {
  assert.deepEqual(marksOf(machine({ state: 'damaged', problem: 'now.json is missing.' }), []).machine, ['fault']);
  assert.deepEqual(marksOf(machine({ problem: 'QEMU ended unexpectedly.' }), []).machine, ['fault']);
  const interrupted = machine({ interrupted: { job: 'job-1', operation: 'merge' } });
  assert.deepEqual(marksOf(interrupted, []).machine, ['interrupted']);
  assert.deepEqual(marksOf(machine(), [], [{ state: 'interrupted' }]).machine, ['interrupted']);
  assert.deepEqual(marksOf(machine(), [], [{ state: 'running' }]).machine, []);
  assert.deepEqual(marksOf(interrupted, [fault()]).machine, ['fault', 'interrupted']);
});

test('what a check found marks the checkpoints that do not come back whole, the worst mark first', () => {
  const info = machine({ checkpoints: [checkpoint('a'), checkpoint('b', { pinned: true })], now: { parent: 'b' } });
  const { machine: own, checkpoints } = marksOf(info, [fault({ breaks: ['b', 'gone'] })]);
  assert.deepEqual(own, ['fault']);
  assert.deepEqual([...checkpoints], [['b', ['broken', 'current', 'pinned']]]);
});

test('what was repaired, what is only good to know, and what is told elsewhere is no fault', () => {
  const open = fault({ code: 'orphan', severity: 'warning' });
  const rest = [
    fault({ isRepaired: true }),
    fault({ severity: 'info' }),
    fault({ code: 'job' }),
    fault({ code: 'journal' }),
  ];
  assert.deepEqual(openFaults([...rest, open]), [open]);
});

test('only places whose marks are not the same have changed', () => {
  const before = new Map<string, readonly Mark[]>([
    ['/qemu/a', ['fault']],
    ['/qemu/a/1', ['current', 'pinned']],
    ['/qemu/a/2', ['pinned']],
  ]);
  const after = new Map<string, readonly Mark[]>([
    ['/qemu/a', ['fault']],
    ['/qemu/a/1', ['pinned']],
    ['/qemu/a/3', ['current']],
  ]);
  assert.deepEqual(changedPlaces(before, after), ['/qemu/a/1', '/qemu/a/2', '/qemu/a/3']);
  assert.deepEqual(changedPlaces(after, new Map(after)), []);
});

test('the number on the icon: running and interrupted jobs, and machines that something is wrong with', () => {
  const machines = [machine(), machine({ problem: 'QEMU ended unexpectedly.' }), machine({ state: 'damaged' })];
  const jobs = [{ state: 'running' }, { state: 'interrupted' }, { state: 'running' }] as const;
  const attention = attentionOf(machines, jobs, (one) => marksOf(one, []).machine.length > 0);
  assert.deepEqual(attention, { runningJobs: 2, interruptedJobs: 1, faultyMachines: 2 });
  assert.equal(countOf(attention), 5);
  assert.equal(countOf(attentionOf([machine()], [], () => false)), 0);
});
