import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpointName, defaultCheckpointName as engineDefault, machineName } from '../../../engine/model/names.ts';
import {
  checkpointNameFrom,
  checkpointNameProblem,
  defaultCheckpointName,
  machineNameFromFile,
  machineNameProblem,
} from '../../../extension/naming/names.ts';

const names = [
  'before experiment',
  '2026-11-21 09:15:03',
  'a',
  'ä ö 中文 🙂',
  'x'.repeat(100),
  '🙂'.repeat(100),
  '',
  '   ',
  'x'.repeat(101),
  'say "hi"',
  "it's",
  '`ls`',
  'a/b',
  'a\\b',
  'two\nlines',
  'tab\there',
  'bell\u0007',
  '\u202eabc',
  'nul',
  'COM1.disk',
  'console',
  '.hidden',
  '-rf',
  'end.',
  'a:b',
  'what?',
  'a*b',
  '<a>',
  'a|b',
];

function accepts(check: (name: string) => unknown, name: string): boolean {
  try {
    check(name);
    return true;
  } catch {
    return false;
  }
}

for (const name of names) {
  test(`the editor and the engine agree on ${JSON.stringify(name.slice(0, 30))}`, () => {
    assert.equal(checkpointNameProblem(name) === undefined, accepts(checkpointName, name), 'as a checkpoint');
    assert.equal(machineNameProblem(name) === undefined, accepts(machineName, name), 'as a machine');
  });
}

test('the offered name is the one that the engine would give', () => {
  const at = new Date(2026, 10, 21, 9, 15, 3);
  assert.equal(defaultCheckpointName(at), '2026-11-21 09:15:03');
  assert.equal(defaultCheckpointName(at), engineDefault(at));
});

test('a task name of any kind makes a checkpoint name', () => {
  assert.equal(checkpointNameFrom('before task npm: build/all "fast"\n'), 'before task npm: build-all fast');
  for (const text of [`before task ${'x/"\n'.repeat(200)}`, 'before task \u202e\u0000', 'before task 🙂'.repeat(60)]) {
    assert.equal(checkpointNameProblem(checkpointNameFrom(text)), undefined);
  }
});

test('a disk file gives a machine its name', () => {
  assert.equal(machineNameFromFile('debian-12.qcow2'), 'debian-12');
  assert.equal(machineNameFromFile('.hidden.qcow2'), 'hidden');
  assert.equal(machineNameFromFile('what?.img'), 'what-');
});
