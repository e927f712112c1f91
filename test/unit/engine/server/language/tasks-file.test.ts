import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'jsonc-parser';
import { namedPlaces } from '../../../../../engine/server/language/named-machines.ts';
import { guardTask, taskAt } from '../../../../../engine/server/language/tasks-file.ts';

const text = `{
  // How we build.
  "version": "2.0.0",
  "tasks": [
    { "label": "fetch", "type": "shell", "command": "true" },
    {
      "label": "install", // risky
      "type": "shell",
      "command": "./install.sh",
      "dependsOn": "fetch"
    }
  ]
}
`;

const guarded = (label: string, given = text, definition = {}): string => {
  const answer = guardTask({ text: given, label, definition, checkpoint: { machine: 'lab', keepLast: 3 } });
  return answer.kind === 'edited' ? answer.text : 'guarded';
};

test('a task gets a checkpoint before it, before what it depends on already; comments stay', () => {
  const edited = guarded('install');
  assert.match(edited, /\/\/ How we build\./);
  assert.match(edited, /"install", \/\/ risky/);
  assert.deepEqual(parse(edited), {
    version: '2.0.0',
    tasks: [
      { label: 'fetch', type: 'shell', command: 'true' },
      {
        label: 'checkpoint of lab before install',
        type: 'vm-checkpoint',
        machine: 'lab',
        keepLast: 3,
        problemMatcher: [],
      },
      {
        label: 'install',
        type: 'shell',
        command: './install.sh',
        dependsOn: ['checkpoint of lab before install', 'fetch'],
        dependsOrder: 'sequence',
      },
    ],
  });
});

test('one that is guarded stays as it is; without the order it is not guarded', () => {
  const edited = guarded('install');
  assert.equal(guarded('install', edited), 'guarded');
  const unordered = edited.replace(/,\s*"dependsOrder": "sequence"/, '');
  assert.notEqual(unordered, edited);
  assert.match(guarded('install', unordered), /"dependsOrder": "sequence"/);
});

test('a task of another extension that is not in the file is added with its definition', () => {
  const edited = guarded('npm: test', text, { type: 'npm', script: 'test' });
  const tasks: unknown = parse(edited);
  assert.match(
    JSON.stringify(tasks),
    /"type":"npm","script":"test","label":"npm: test","dependsOn":\["checkpoint of lab before npm: test"\]/,
  );
  assert.equal(guarded('npm: test', edited, { type: 'npm', script: 'test' }), 'guarded');
});

test('a file without tasks gets them; one that is none is refused', () => {
  assert.match(guarded('x', '{}', { type: 'shell', command: 'x' }), /vm-checkpoint/);
  assert.throws(() => guarded('x', '[]'), { code: 'InvalidArgument' });
  assert.throws(() => guarded('x', '{"tasks": 7}'), { code: 'InvalidArgument' });
});

test('tabs stay tabs, and line ends what they are', () => {
  const edited = guarded('a', '{\r\n\t"tasks": [\r\n\t\t{ "label": "a" }\r\n\t]\r\n}');
  assert.match(edited, /\r\n\t\t\t"type": "vm-checkpoint"/);
  assert.doesNotMatch(edited, /[^\r]\n/);
});

test('the task at a place, unless it takes a checkpoint itself', () => {
  assert.equal(taskAt(text, text.indexOf('./install.sh'))?.label, 'install');
  assert.equal(taskAt(text, text.indexOf('How we')), undefined);
  const edited = guarded('install');
  assert.equal(taskAt(edited, edited.indexOf('vm-checkpoint')), undefined);
});

test('machines and checkpoints are found in tasks that take one and in hooks, in whatever is broken around them', () => {
  const found = namedPlaces(`{
    "tasks": [{ "type": "vm-checkpoint", "machine": "a", "name": "n", "group": ["b"] }, { "type": "shell", "machine": "no" }],
    "settings": { "vmCheckpoints.hooks": [{ "task": "x", "machine": "c" }, `);
  assert.deepEqual(
    found.map(({ kind, value, machine }) => [kind, value, ...(machine === undefined ? [] : [machine])]),
    [
      ['machine', 'a'],
      ['machine', 'b'],
      ['checkpoint', 'n', 'a'],
      ['machine', 'c'],
    ],
  );
});
