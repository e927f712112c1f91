import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCompounds, readNames, startedWith } from '../../../extension/hooks/compounds.ts';
import {
  answeredStart,
  askedSession,
  isPartOfSession,
  type KnownSessions,
} from '../../../extension/hooks/part-of-session.ts';
import { SharedTakes } from '../../../extension/hooks/shared-takes.ts';
import { TasksAfterCheckpoint } from '../../../extension/hooks/tasks-after-checkpoint.ts';

const nothing: KnownSessions = { runningTypes: [], asked: [], configured: [] };

test('a process of a session is part of it, by what its debugger adds: JavaScript, Python', () => {
  assert.ok(isPartOfSession({ type: 'pwa-node', name: 'a.js', request: 'attach', __pendingTargetId: '7' }, nothing));
  assert.ok(isPartOfSession({ type: 'python', name: 'Subprocess 12', request: 'attach', subProcessId: 12 }, nothing));
  assert.ok(!isPartOfSession({ type: 'python', name: 'main', request: 'launch' }, nothing));
});

test('so is what a debugger asks for, while it asks: of its type, request and name', () => {
  const session = { type: 'lldb', name: 'server' };
  const message = {
    seq: 5,
    type: 'request',
    command: 'startDebugging',
    arguments: { request: 'launch', configuration: { name: 'worker', type: 'other' } },
  };
  const { seq, ...asked } = askedSession(message, session) ?? { seq: 0, type: '', request: '', name: '' };
  assert.deepEqual([seq, asked], [5, { type: 'lldb', request: 'launch', name: 'worker' }]);
  const known = { ...nothing, asked: [asked] };
  assert.ok(isPartOfSession({ type: 'lldb', request: 'launch', name: 'worker' }, known));
  assert.ok(!isPartOfSession({ type: 'lldb', request: 'launch', name: 'server' }, known));
  assert.ok(!isPartOfSession({ type: 'lldb', request: 'attach', name: 'worker' }, known));
  assert.ok(!isPartOfSession({ type: 'node', request: 'launch', name: 'worker' }, known));
  assert.equal(
    askedSession({ ...message, arguments: { request: 'attach', configuration: {} } }, session)?.name,
    'server',
  );
  for (const other of [undefined, 'x', {}, { ...message, type: 'event' }, { ...message, arguments: 3 }]) {
    assert.equal(askedSession(other, session), undefined);
  }
  assert.equal(answeredStart({ type: 'response', command: 'startDebugging', request_seq: 5 }), 5);
  assert.equal(answeredStart({ type: 'response', command: 'launch', request_seq: 5 }), undefined);
  assert.equal(answeredStart(message), undefined);
});

test('so is what attaches while a session of its type runs, unless launch.json names it', () => {
  const known = { runningTypes: ['pwa-node', 'ruby'], asked: [], configured: ['attach to the server'] };
  assert.ok(isPartOfSession({ type: 'ruby', request: 'attach', name: 'worker 3' }, known));
  assert.ok(isPartOfSession({ type: 'node', request: 'attach', name: 'worker 3' }, known));
  assert.ok(!isPartOfSession({ type: 'ruby', request: 'attach', name: 'attach to the server' }, known));
  assert.ok(!isPartOfSession({ type: 'ruby', request: 'launch', name: 'worker 3' }, known));
  assert.ok(!isPartOfSession({ type: 'go', request: 'attach', name: 'worker 3' }, known));
  assert.ok(!isPartOfSession({ request: 'attach', name: 'worker 3' }, known));
});

test('which configurations start together is read from compounds, whatever else is there', () => {
  const compounds = readCompounds([
    { name: 'all', configurations: ['server', { name: 'client', folder: 'web' }, 7] },
    { name: 'half', configurations: ['server', 'database'] },
    { name: 'broken', configurations: 'server' },
    'text',
  ]);
  assert.deepEqual(compounds, [['server', 'client'], ['server', 'database'], [], []]);
  assert.deepEqual(startedWith('server', compounds), ['client', 'database']);
  assert.deepEqual(startedWith('client', compounds), ['server']);
  assert.deepEqual(startedWith('other', compounds), []);
  assert.deepEqual(readNames([{ name: 'a' }, { nam: 'b' }, null]), ['a']);
  assert.deepEqual(readCompounds(undefined), []);
});

/** Takes that end when they are told to; each has a number. */
class Takes {
  at = 0;
  readonly begun: { sessions: readonly string[]; end: (taken: number | undefined) => void }[] = [];
  readonly #shared = new SharedTakes<number>(() => this.at);

  take(name: string, together: readonly string[] = [], key = 'lab'): Promise<number | undefined> {
    return this.#shared.take(
      key,
      { name, startedWith: together },
      (sessions) => new Promise((end) => this.begun.push({ sessions, end })),
    );
  }
}

test('sessions that come while a checkpoint is being taken share it; others get their own', async () => {
  const takes = new Takes();
  const [first, second, other] = [takes.take('a'), takes.take('b'), takes.take('c', [], 'database')];
  assert.deepEqual(
    takes.begun.map(({ sessions }) => sessions),
    [['a', 'b'], ['c']],
  );
  takes.begun[0]?.end(1);
  takes.begun[1]?.end(2);
  assert.deepEqual(await Promise.all([first, second, other]), [1, 1, 2]);
  const third = takes.take('c');
  takes.begun[2]?.end(3);
  assert.equal(await third, 3);
});

test('a session of a compound shares the checkpoint of the others for half a minute, once', async () => {
  const takes = new Takes();
  const first = takes.take('server', ['client']);
  takes.begun[0]?.end(1);
  await first;
  takes.at = 29_000;
  assert.equal(await takes.take('client', ['server']), 1);
  const anew = takes.take('client', ['server']);
  takes.begun[1]?.end(2);
  assert.equal(await anew, 2);
  takes.at = 60_000;
  const late = takes.take('server', ['client']);
  takes.begun[2]?.end(3);
  assert.equal(await late, 3);
});

test('a checkpoint that could not be taken is shared by those who waited, and by nobody later', async () => {
  const takes = new Takes();
  const both = [takes.take('server', ['client']), takes.take('client', ['server'])];
  takes.begun[0]?.end(undefined);
  assert.deepEqual(await Promise.all(both), [undefined, undefined]);
  const later = takes.take('client', ['server']);
  takes.begun[1]?.end(2);
  assert.equal(await later, 2);
});

test('a task that a session with a checkpoint runs first is expected once, of the machine of the checkpoint', () => {
  const tasks = new TasksAfterCheckpoint();
  tasks.expect('deploy', 'lab');
  tasks.expect('npm: build', 'lab');
  tasks.expect({ type: 'npm' }, 'lab');
  const deploy = { name: 'deploy', source: 'Workspace' };
  assert.ok(!tasks.starts(deploy, 'database'));
  assert.ok(tasks.starts(deploy, 'lab'));
  assert.ok(!tasks.starts(deploy, 'lab'));
  assert.ok(tasks.starts({ name: 'build', source: 'npm' }, 'lab'));
});
