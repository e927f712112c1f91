import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  arranged,
  isFiltering,
  noFilter,
  readFilter,
  readOrder,
  type MachineFilter,
  type MachineOrder,
} from '../../../extension/machines/arrangement.ts';
import { checkpoint, machine } from './machines.ts';

const at = (created: string) => checkpoint('c', { created });
const machines = [
  machine({ name: 'web-10', checkpoints: [at('2026-11-20T10:00:00.000Z')] }),
  machine({ name: 'web-2', state: 'running' }),
  machine({
    name: 'Database',
    state: 'saved',
    checkpoints: [at('2026-11-18T10:00:00.000Z')],
    trash: [{ checkpoint: checkpoint('t'), deleted: '2026-11-21T10:00:00.000Z', expires: '2026-11-22T10:00:00.000Z' }],
  }),
  machine({ name: 'appliance', host: 'disks' }),
  machine({ name: 'broken', host: 'disks', state: 'damaged' }),
  machine({ name: 'away', state: 'unreachable' }),
];

function names(filter: Partial<MachineFilter>, order: MachineOrder = 'name'): string[] {
  return arranged(machines, { filter: { ...noFilter, ...filter }, order }).map(({ name }) => name);
}

test('by name: numbers in names count as numbers, capitals do not count', () => {
  assert.deepEqual(names({}), ['appliance', 'away', 'broken', 'Database', 'web-2', 'web-10']);
});

test('by state: what runs first, what is damaged last', () => {
  assert.deepEqual(names({}, 'state'), ['web-2', 'Database', 'web-10', 'appliance', 'away', 'broken']);
});

test('last used: what runs first, then by the latest on record, a deletion too; then by name', () => {
  assert.deepEqual(names({}, 'lastUsed'), ['web-2', 'Database', 'web-10', 'appliance', 'away', 'broken']);
});

test('a filter of states and name lets through what fits both', () => {
  assert.deepEqual(names({ states: ['running', 'stopped'] }), ['web-2', 'web-10']);
  assert.deepEqual(names({ states: ['disks'] }), ['appliance'], 'one that is damaged is no other than that');
  assert.deepEqual(names({ name: 'WEB' }), ['web-2', 'web-10']);
  assert.deepEqual(names({ states: ['running'], name: 'data' }), []);
});

test('what was kept is read again, and anything else is no filter and the usual order', () => {
  const kept: MachineFilter = { states: ['running'], name: 'web' };
  assert.deepEqual(readFilter(JSON.parse(JSON.stringify(kept))), kept);
  assert.deepEqual(readFilter({ states: ['running', 'flying'], name: '' }), { states: ['running'], name: '' });
  for (const other of [undefined, null, 'running', { states: 'running', name: '' }, { states: [] }]) {
    assert.deepEqual(readFilter(other), noFilter);
  }
  assert.equal(readOrder('state'), 'state');
  assert.equal(readOrder('size'), 'name');
  assert.deepEqual([isFiltering(noFilter), isFiltering(kept)], [false, true]);
});
