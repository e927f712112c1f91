import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commands } from '../../../../extension/contributions/commands.ts';
import { machineOfState, parseFromPage } from '../../../../extension/details/messages.ts';
import { pageCommands } from '../../../../extension/details/page-commands.ts';
import { keptState } from '../../../../extension/details/page/page-state.ts';

test('what a page asks for is one of the commands that there are', () => {
  for (const command of pageCommands) {
    assert.ok(`vmCheckpoints.${command}` in commands, command);
    const message = { kind: 'run', command, point: 'now' };
    assert.deepEqual(parseFromPage(message), message);
  }
});

test('notes come with what they were', () => {
  const message = { kind: 'saveNotes', checkpoint: 'id', notes: 'new', before: '' };
  assert.deepEqual(parseFromPage(message), message);
});

test('anything else is no message', () => {
  for (const message of [
    undefined,
    null,
    'ready',
    {},
    { kind: 'run' },
    { kind: 'run', command: 'removeMachine', point: 'now' },
    { kind: 'run', command: '../workbench.action.quit', point: 'now' },
    { kind: 'run', command: 'apply', point: 7 },
    { kind: 'run', command: 'apply', point: '' },
    { kind: 'run', command: 'apply', point: 'x'.repeat(10_000) },
    { kind: 'model' },
    { kind: 'saveNotes', checkpoint: 'id', notes: 'new' },
    { kind: 'saveNotes', checkpoint: 'id', notes: ['new'], before: '' },
    { kind: 'saveNotes', checkpoint: 'id', notes: 'x'.repeat(2_000_000), before: '' },
  ]) {
    assert.equal(parseFromPage(message), undefined, JSON.stringify(message));
  }
});

test('what a message has beside its members is left out', () => {
  assert.deepEqual(parseFromPage({ kind: 'ready', more: 1 }), { kind: 'ready' });
});

test('the state of a page says which machine it was of, and anything else says nothing', () => {
  assert.equal(machineOfState({ machine: 'id', selected: 'now' }), 'id');
  for (const state of [undefined, null, {}, { machine: 5 }, { machine: '' }, 'id']) {
    assert.equal(machineOfState(state), undefined);
  }
  assert.deepEqual(keptState({ machine: 'id', selected: 5 }), { machine: 'id' });
  assert.deepEqual(keptState(null), {});
  const drafts = { a: { text: 'new', before: '' } };
  assert.deepEqual(keptState({ drafts: { ...drafts, b: 'no draft', c: { text: 1 } } }), { drafts });
  assert.deepEqual(keptState({ scroll: { left: 1, top: 2 } }), { scroll: { left: 1, top: 2 } });
  assert.deepEqual(keptState({ scroll: { left: 1 } }), {});
});
