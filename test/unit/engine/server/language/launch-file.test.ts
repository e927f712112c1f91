import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'jsonc-parser';
import type { CodeAction } from 'vscode-languageserver/node';
import {
  firstTaskText,
  guardSessionAction,
  impossibleTasks,
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

/** The action on a session; undefined when there is none. */
function actionOn(name: string, given: Given = {}): CodeAction | undefined {
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
  return guardSessionAction('Add', files, session, machine, languageTexts('en'));
}

/** Texts of the files after the action on a session, by their addresses; undefined when it would change nothing. */
function afterAction(name: string, given: Given = {}): Map<string, string> | undefined {
  const action = actionOn(name, given);
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

test('once it is there it is not offered again, nor where a dependency takes it', () => {
  const after = afterAction('built');
  const text = after?.get(launchUri) ?? '';
  const tasks = after?.get(tasksFileBeside(launchUri)) ?? '';
  assert.equal(afterAction('built', { text, tasks }), undefined);
  assert.equal(afterAction('safe'), undefined);
  assert.equal(afterAction('safe', { machine: 'db' }), undefined);
  assert.notEqual(afterAction('safe', { machine: 'web' }), undefined);
  assert.equal(afterAction('typed'), undefined);
  assert.notEqual(afterAction('typed', { machine: 'web' }), undefined);
});

const withDefault = (...tasks: string[]): string => `{ "tasks": [${tasks.join()}] }`;
const isDefault = '"group": { "kind": "build", "isDefault": true }';

test('the default build task is the one that tasks.json marks: by its label, or by what identifies it', () => {
  const labelled = afterAction('later', {
    tasks: withDefault(
      `{ "label": "compile", "type": "shell", ${isDefault} }`,
      '{ "label": "other", "group": "build" }',
    ),
  });
  assert.match(labelled?.get(launchUri) ?? '', /"name": "later".*"preLaunchTask": "checkpoint of lab, then compile"/);
  assert.match(
    JSON.stringify(parsed(labelled, tasksFileBeside(launchUri))),
    /"dependsOn":\["checkpoint of lab before compile","compile"\],"dependsOrder":"sequence"/,
  );
  const provided = afterAction('later', {
    tasks: withDefault(`{ "type": "npm", "script": "build", "problemMatcher": [], ${isDefault} }`),
  });
  assert.match(
    JSON.stringify(parsed(provided, tasksFileBeside(launchUri))),
    /"dependsOn":\["checkpoint of lab before what runs before later",\{"type":"npm","script":"build"\}\]/,
  );
  const checkpoint = '{ "label": "checkpoint", "type": "vm-checkpoint", "machine": "lab" }';
  const compile = `{ "label": "compile", "dependsOn": "checkpoint", ${isDefault} }`;
  assert.equal(actionOn('later', { tasks: withDefault(checkpoint, compile) }), undefined);
});

test('where what runs first is not known, the action is disabled and says why, with the way out; so does the hover', () => {
  const reasonOf = (name: string, given: Given = {}): string | undefined => actionOn(name, given)?.disabled?.reason;
  assert.match(reasonOf('later') ?? '', /marks no single default build task.*"isDefault": true.*vmCheckpoints\.hooks/);
  for (const tasks of [
    withDefault(`{ "label": "a", ${isDefault} }`, `{ "label": "b", ${isDefault} }`),
    withDefault('{ "label": "a", "group": { "kind": "build", "isDefault": "**.ts" } }'),
    withDefault('{ "label": "a", "group": { "kind": "test", "isDefault": true } }'),
    withDefault(`{ "type": "shell", "command": "make", ${isDefault} }`),
    undefined,
  ]) {
    assert.match(reasonOf('later', { tasks }) ?? '', /no single default build task/);
  }
  const asked = launchText.replace('defaultBuildTask', 'input:which');
  assert.match(reasonOf('later', { text: asked }) ?? '', /known only once it starts.*vmCheckpoints\.hooks/);
  const compound = launchText.replace('"configurations": ["plain", "built"]', '"preLaunchTask": "${defaultBuildTask}"');
  assert.match(reasonOf('all', { text: compound }) ?? '', /no variables in the first task of a compound/);
  assert.match(reasonOf('plain', { tasks: '{"tasks": 7}' }) ?? '', /holds no list of tasks/);
  const session = sessionAt(asked, asked.indexOf('"name": "later"'), []);
  assert.ok(session !== undefined);
  const told = firstTaskText(session, filesOf(launchUri, asked, tasksText), [], languageTexts('de'));
  assert.match(told ?? '', /erst bei ihrem Start bekannt/);
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

test('a first task that cannot take its checkpoint is found, through what it depends on', () => {
  const sessions = debugSessions(launchText, []);
  const files = filesOf(launchUri, launchText, tasksText);
  const found = impossibleTasks(sessions, files, new Set(['lab']));
  assert.deepEqual(
    found.map(({ offset, length, task, machine }) => [launchText.slice(offset, offset + length), task, machine]),
    [['"install"', 'checkpoint', 'db']],
  );
  assert.deepEqual(impossibleTasks(sessions, files, new Set(['lab', 'db'])), []);
});

test('what a first task takes is told, with when it last did', () => {
  const files = filesOf(launchUri, launchText, tasksText);
  const told = (name: string, locale: string): string | undefined => {
    const session = sessionAt(launchText, launchText.indexOf(`"name": "${name}"`), []);
    assert.ok(session !== undefined);
    return firstTaskText(session, files, [machine], languageTexts(locale));
  };
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
  const text = told('safe', 'en') ?? '';
  assert.match(text, /“checkpoint” takes a checkpoint of “lab”, “db” before the debug session starts\./);
  assert.match(text, /The last one of “lab” is “before”, taken at 2026-11-21T09:15:03\.000Z\./);
  assert.equal(told('built', 'en'), undefined);
  assert.match(told('safe', 'de') ?? '', /„lab“, „db“.*Debugsitzung/);
});
