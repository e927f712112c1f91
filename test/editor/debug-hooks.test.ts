import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { CheckpointInfo } from '../../engine/protocol/machines.ts';
import { EditorSession } from '../support/editor-session.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';
const long = { timeoutMilliseconds: 90_000 };

/** When something ran, ISO 8601, and what. */
interface Mark {
  time: string;
  what: string;
}

describe('hooks of debug sessions', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(
      path.join(import.meta.dirname, 'debug-workspace'),
      async (home) => {
        await home.ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
      },
      { unpackedExtensions: [path.join(import.meta.dirname, 'debugger-extension')] },
    );
    workbench = session.workbench;
    await workbench.openView('VM Checkpoints');
    await workbench.treeRow(machine);
  });
  after(() => session.close());

  const marks = async (): Promise<Mark[]> => {
    const text = await readFile(path.join(session.workspaceFolder, 'marks.txt'), 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      const [time = '', ...what] = line.split(' ');
      return time === '' ? [] : [{ time, what: what.join(' ') }];
    });
  };
  const checkpoints = async (): Promise<CheckpointInfo[]> =>
    (await session.home.ckpt.run('show', ['show', machine])).machine.checkpoints;
  const debug = async (name: string): Promise<void> => {
    await workbench.runCommand('Debug: Select and Start Debugging');
    await workbench.quickPick(name);
  };
  /** Waits for so many marks more, and tells them and the checkpoints that are new, each in its order. */
  const since = async (
    start: () => Promise<void>,
    count: number,
  ): Promise<{ ran: Mark[]; taken: CheckpointInfo[] }> => {
    const had = { marks: (await marks()).length, checkpoints: (await checkpoints()).map(({ id }) => id) };
    await start();
    await until(
      async () => `${count} marks more: ${JSON.stringify((await marks()).slice(had.marks))}`,
      async () => (await marks()).length >= had.marks + count,
      long,
    );
    return {
      ran: (await marks()).slice(had.marks),
      taken: (await checkpoints()).filter(({ id }) => !had.checkpoints.includes(id)),
    };
  };
  const names = (ran: readonly Mark[]): string[] => ran.map(({ what }) => what);
  const assertBefore = (taken: CheckpointInfo | undefined, ran: Mark | undefined): void => {
    assert.ok(taken !== undefined && ran !== undefined);
    assert.ok(taken.created < ran.time, `${taken.created} is before ${ran.time}`);
  };

  it('the checkpoint is older than what the preLaunchTask does', async () => {
    const { ran, taken } = await since(() => debug('node after deploy'), 2);
    assert.deepEqual(names(ran), ['deploy', 'program']);
    assert.deepEqual(
      taken.map(({ name, createdBy }) => [name, createdBy]),
      [['before debugging node after deploy', 'debug']],
    );
    assertBefore(taken[0], ran[0]);
    await workbench.screenshot('17-debug-task');
  });

  it('a task that a session with its checkpoint runs first is not told of as one without', async () => {
    const notes = await workbench.notifications();
    assert.deepEqual(
      notes.filter(({ message }) => /without a checkpoint/.test(message)),
      [],
    );
  });

  it('without the checkpoint neither the session nor its preLaunchTask starts, and it says why', async () => {
    const { ran, taken } = await since(async () => {
      await debug('refused');
      await workbench.waitForNotification(/“refused” is not debugged.*no machine “nowhere”/, 60_000);
      await workbench.screenshot('18-debug-task-refused');
      await workbench.clearNotifications();
      // Another session, whose task runs, shows that the first one had its time.
      await debug('node after deploy');
    }, 2);
    assert.deepEqual(names(ran), ['deploy', 'program']);
    assert.equal(taken.length, 1);
  });

  it('what a debugger asks for, and what its extension attaches, is part of its session: one checkpoint', async () => {
    const asked = await since(() => debug('with a worker'), 2);
    assert.deepEqual(names(asked.ran), ['with a worker', 'asked for by the debugger']);
    assert.deepEqual(
      asked.taken.map(({ name }) => name),
      ['before the family'],
    );
    const attached = await since(() => debug('with a process'), 2);
    assert.deepEqual(names(attached.ran), ['with a process', 'attached by the extension']);
    assert.equal(attached.taken.length, 1);
  });

  it('the sessions of a compound share one checkpoint, however long one of them takes to come', async () => {
    const { ran, taken } = await since(() => debug('both'), 3);
    assert.deepEqual(names(ran).toSorted(), ['deploy', 'quick', 'slow']);
    assert.equal(taken.length, 1);
    assertBefore(taken[0], ran[0]);
  });

  it('a type that fits only once variables are substituted gets its checkpoint there, after its task', async () => {
    const { ran, taken } = await since(() => debug('renamed'), 2);
    assert.deepEqual(names(ran), ['deploy', 'renamed']);
    assert.equal(taken.length, 1);
    assertBefore(taken[0], ran[1]);
  });

  it('a restart is part of its session: its task runs again, and the checkpoint is the one from the start', async () => {
    const started = await since(() => debug('server'), 2);
    assert.deepEqual(names(started.ran), ['deploy', 'server']);
    assert.equal(started.taken.length, 1);
    const restarted = await since(() => workbench.runCommand('Debug: Restart'), 2);
    assert.deepEqual(names(restarted.ran), ['deploy', 'server']);
    assert.deepEqual(restarted.taken, []);
    await workbench.runCommand('Debug: Stop');
  });
});
