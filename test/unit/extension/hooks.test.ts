import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hookOfDebug, hookOfTask, readHooks } from '../../../extension/hooks/hook.ts';

const { hooks, wrong } = readHooks([
  { machine: 'a', task: 'install' },
  { machine: 'b', taskType: 'shell', taskGroup: 'test', onFail: 'revert', keepLast: 3 },
  { machine: 'c', debugType: 'node' },
  { machine: 'd' },
  { task: 'no machine' },
  { machine: 'e', task: 'x', onFail: 'perhaps' },
  { machine: 'f', task: 'x', keepLast: 0 },
  'text',
  null,
]);

test('what is no hook is left out, and told by its place', () => {
  assert.deepEqual(
    hooks.map(({ machine }) => machine),
    ['a', 'b', 'c'],
  );
  assert.deepEqual(wrong, [4, 5, 6, 7, 8, 9]);
  assert.deepEqual(readHooks('text'), { hooks: [], wrong: [] });
});

test('all that a hook names has to fit a task', () => {
  const machineOf = (name: string, type: string, group?: string): string | undefined =>
    hookOfTask(hooks, { name, type, ...(group === undefined ? {} : { group }) })?.machine;
  assert.equal(machineOf('install', 'shell'), 'a');
  assert.equal(machineOf('other', 'shell', 'test'), 'b');
  assert.equal(machineOf('other', 'shell', 'build'), undefined);
  assert.equal(machineOf('other', 'npm', 'test'), undefined);
});

test('what to do on failure is ask, unless it is said', () => {
  assert.deepEqual(
    hooks.map(({ onFail }) => onFail),
    ['ask', 'revert', 'ask'],
  );
});

test('a debug type fits by its name, with or without the prefix of the debugger for JavaScript, and * fits all', () => {
  assert.equal(hookOfDebug(hooks, 'node')?.machine, 'c');
  assert.equal(hookOfDebug(hooks, 'pwa-node')?.machine, 'c');
  assert.equal(hookOfDebug(hooks, 'python'), undefined);
  assert.equal(hookOfDebug(readHooks([{ machine: 'z', debugType: '*' }]).hooks, 'python')?.machine, 'z');
});
