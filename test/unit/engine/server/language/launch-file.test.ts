import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'jsonc-parser';
import {
  guardSessionAction,
  impossibleTasks,
  takenByTasks,
  takenText,
  type LaunchFiles,
} from '../../../../../engine/server/language/launch-features.ts';
import { debugSessions, sessionAt } from '../../../../../engine/server/language/launch-file.ts';
import { launchIn, tasksFileBeside, tasksListIn } from '../../../../../engine/server/language/sections.ts';
import { languageTexts } from '../../../../../engine/server/language/texts.ts';

const launchUri = 'file:///work/.vscode/launch.json';
const launchText = `{
  // How we debug.
  "version": "0.2.0",
  "configurations": [
    { "name": "plain", "type": "node" },
    { "name": "built", "type": "node", "preLaunchTask": "build" },
    { "name": "safe", "type": "node", "preLaunchTask": "install" },
    { "name": "later", "type": "node", "preLaunchTask": "\${defaultBuildTask}" },
    { "name": "typed", "type": "node", "preLaunchTask": { "type": "vm-checkpoint", "machine": "lab" } }
  ],
  "compounds": [{ "name": "all", "configurations": ["plain", "built"] }]
}
`;
const tasksText = `{
  "version": "2.0.0",
  "tasks": [
    { "label": "build", "type": "shell" },
    { "label": "checkpoint", "type": "vm-checkpoint", "machine": "lab", "name": "before", "group": ["db"] },
    { "label": "install", "type": "shell", "dependsOn": ["checkpoint", "build", "install"] }
  ]
}
`;

const filesOf = (uri: string, text: string, tasks: string | undefined): LaunchFiles => {
  const tasksUri = tasksFileBeside(uri);
  return { launch: { uri, text }, tasks: { uri: tasksUri, text: tasks, list: tasksListIn(tasksUri) ?? [] } };
};

interface Given {
  uri?: string;
  text?: string;
  tasks?: string | undefined;
  machine?: string;
}

/** Texts of the files after the action on a session, by their addresses; undefined when there is none. */
function afterAction(name: string, given: Given = {}): Map<string, string> | undefined {
  const { uri, text, tasks, machine } = {
    uri: launchUri,
    text: launchText,
    tasks: tasksText,
    machine: 'lab',
    ...given,
  };
  const files = filesOf(uri, text, tasks);
  const session = sessionAt(text, text.indexOf(`"name": "${name}"`), launchIn(uri) ?? ['none']);
  assert.ok(session !== undefined);
  const action = guardSessionAction('Add', files, session, machine, takenByTasks(files));
  return (
    action &&
    new Map(
      action.edit?.documentChanges?.flatMap((change): [string, string][] => {
        const [edit] = 'edits' in change ? change.edits : [];
        return 'edits' in change
          ? [[change.textDocument.uri, edit !== undefined && 'newText' in edit ? edit.newText : '']]
          : [];
      }),
    )
  );
}

const parsed = (texts: Map<string, string> | undefined, uri: string): unknown => parse(texts?.get(uri) ?? '');

test('a session without a first task gets a task that takes a checkpoint; comments stay', () => {
  const after = afterAction('plain');
  assert.match(after?.get(launchUri) ?? '', /\/\/ How we debug\./);
  assert.match(
    after?.get(launchUri) ?? '',
    /"name": "plain",\s*"type": "node",\s*"preLaunchTask": "checkpoint of lab before plain"\s*\}/,
  );
  assert.match(
    JSON.stringify(parsed(after, tasksFileBeside(launchUri))),
    /\{"label":"checkpoint of lab before plain","type":"vm-checkpoint","machine":"lab","problemMatcher":\[\]\}\]\}$/,
  );
});

test('one with a first task runs it after the checkpoint; the task itself stays as it is', () => {
  const after = afterAction('built');
  assert.match(after?.get(launchUri) ?? '', /"name": "built".*"preLaunchTask": "checkpoint of lab, then build"/);
  const tasks = JSON.stringify(parsed(after, tasksFileBeside(launchUri)));
  assert.match(tasks, /\{"label":"build","type":"shell"\}/);
  assert.match(
    tasks,
    /"checkpoint of lab, then build","dependsOn":\["checkpoint of lab before build","build"\],"dependsOrder":"sequence"/,
  );
});

test('once it is there it is not offered again, nor where a dependency takes it, nor what is known only later', () => {
  const after = afterAction('built');
  const text = after?.get(launchUri) ?? '';
  const tasks = after?.get(tasksFileBeside(launchUri)) ?? '';
  assert.equal(afterAction('built', { text, tasks }), undefined);
  assert.equal(afterAction('safe'), undefined);
  assert.equal(afterAction('safe', { machine: 'db' }), undefined);
  assert.notEqual(afterAction('safe', { machine: 'web' }), undefined);
  assert.equal(afterAction('typed'), undefined);
  assert.notEqual(afterAction('typed', { machine: 'web' }), undefined);
  assert.equal(afterAction('later'), undefined);
});

test('two sessions with one first task share what takes the checkpoint', () => {
  const text = launchText.replace('"name": "plain", "type": "node"', '"name": "plain", "preLaunchTask": "build"');
  const first = afterAction('plain', { text });
  const tasks = first?.get(tasksFileBeside(launchUri)) ?? '';
  const second = afterAction('built', { text: first?.get(launchUri) ?? '', tasks });
  assert.equal(second?.get(tasksFileBeside(launchUri)), tasks);
});

test('compounds, too; and a file of tasks is made where there is none', () => {
  const after = afterAction('all', { tasks: undefined });
  assert.match(after?.get(launchUri) ?? '', /"preLaunchTask": "checkpoint of lab before all"/);
  assert.deepEqual(parsed(after, tasksFileBeside(launchUri)), {
    version: '2.0.0',
    tasks: [{ label: 'checkpoint of lab before all', type: 'vm-checkpoint', machine: 'lab', problemMatcher: [] }],
  });
});

test('a workspace file gets both in its own sections', () => {
  const uri = 'file:///work/lab.code-workspace';
  const text = '{\n  "folders": [],\n  "launch": { "configurations": [{ "name": "plain" }] }\n}\n';
  const after = afterAction('plain', { uri, text, tasks: text });
  assert.equal(after?.size, 1);
  assert.deepEqual(parsed(after, uri), {
    folders: [],
    launch: { configurations: [{ name: 'plain', preLaunchTask: 'checkpoint of lab before plain' }] },
    tasks: {
      version: '2.0.0',
      tasks: [{ label: 'checkpoint of lab before plain', type: 'vm-checkpoint', machine: 'lab', problemMatcher: [] }],
    },
  });
});

test('a file of tasks that is broken is not written into', () => {
  assert.throws(() => afterAction('plain', { tasks: '{"tasks": 7}' }), { code: 'InvalidArgument' });
});

test('a first task that cannot take its checkpoint is found, through what it depends on', () => {
  const sessions = debugSessions(launchText, []);
  const taken = takenByTasks(filesOf(launchUri, launchText, tasksText));
  const found = impossibleTasks(sessions, taken, new Set(['lab']));
  assert.deepEqual(
    found.map(({ offset, length, task, machine }) => [launchText.slice(offset, offset + length), task, machine]),
    [['"install"', 'checkpoint', 'db']],
  );
  assert.deepEqual(impossibleTasks(sessions, taken, new Set(['lab', 'db'])), []);
});

test('what a first task takes is told, with when it last did', () => {
  const taken = takenByTasks(filesOf(launchUri, launchText, tasksText));
  const checkpoint = {
    id: 'c',
    created: '2026-11-21T09:15:03.000Z',
    hasMemory: false,
    consistency: 'offline',
  } as const;
  const lab = {
    id: 'm',
    name: 'lab',
    host: 'qemu',
    state: 'stopped',
    folder: '/lab',
    disks: [],
    checkpoints: [
      { ...checkpoint, name: 'before', createdBy: 'task' },
      { ...checkpoint, name: 'other', createdBy: 'task' },
    ],
    trash: [],
    now: {},
  } as const;
  const machine = { ...lab, disks: [], trash: [], checkpoints: [...lab.checkpoints] };
  const text = takenText('install', taken, [machine], languageTexts('en')) ?? '';
  assert.match(text, /“checkpoint” takes a checkpoint of “lab”, “db” before the debug session starts\./);
  assert.match(text, /The last one of “lab” is “before”, taken at 2026-11-21T09:15:03\.000Z\./);
  assert.equal(takenText('build', taken, [machine], languageTexts('en')), undefined);
  assert.match(takenText('install', taken, [machine], languageTexts('de')) ?? '', /„lab“, „db“.*Debugsitzung/);
});
