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

describe('hooks', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'hooks-workspace'), async (home) => {
      await home.ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
    });
    workbench = session.workbench;
    await workbench.openView('VM Checkpoints');
    await workbench.treeRow(machine);
  });
  after(() => session.close());

  const inWorkspace = (file: string): string => path.join(session.workspaceFolder, file);
  const installations = async (): Promise<string[]> => {
    const text = await readFile(inWorkspace('installed.txt'), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  };
  const checkpoints = async (): Promise<CheckpointInfo[]> =>
    (await session.home.ckpt.run('show', ['show', machine])).machine.checkpoints;
  const debug = async (name: string): Promise<void> => {
    await workbench.runCommand('Debug: Select and Start Debugging');
    await workbench.quickPick(name);
  };
  const runTask = async (label: string): Promise<void> => {
    await workbench.runCommand('Tasks: Run Task');
    await workbench.quickPick(label);
  };

  it('a debug session that a hook fits starts after its checkpoint was taken', async () => {
    await debug('debug installer');
    await until('the program to run', async () => (await installations()).length === 1, long);
    const [checkpoint, ...others] = await checkpoints();
    assert.deepEqual(others, []);
    assert.equal(checkpoint?.name, 'before debugging debug installer');
    assert.equal(checkpoint.createdBy, 'debug');
    const [installed = ''] = await installations();
    assert.ok(checkpoint.created < installed, `${checkpoint.created} is before ${installed}`);
    await workbench.screenshot('10-debug-hook');
  });

  it('without the checkpoint the session does not start, and it says why', async () => {
    const ran = (await installations()).length;
    await debug('without a net');
    await workbench.waitForNotification(/without a net.*is not debugged.*no machine “nowhere”/, 60_000);
    await workbench.screenshot('11-debug-refused');
    await workbench.clearNotifications();
    // Another session, which does start, shows that the first one had its time.
    await debug('debug installer');
    await until('the program to run again', async () => (await installations()).length > ran, long);
    assert.equal((await installations()).length, ran + 1);
  });

  it('a task that a hook fits, started without a checkpoint → a note; “Guard it from now on” writes the dependency', async () => {
    const ran = (await installations()).length;
    await runTask('risky install');
    await workbench.waitForNotification(/“risky install” was started without a checkpoint of “playground”/, 60_000);
    await workbench.screenshot('12-task-note');
    await workbench.clickNotificationButton(/was started without a checkpoint/, 'Guard it from now on');
    await until(
      'the dependency to be written',
      async () => (await readFile(inWorkspace('.vscode/tasks.json'), 'utf8')).includes('dependsOn'),
      long,
    );
    await workbench.screenshot('13-task-guarded');
    const text = await readFile(inWorkspace('.vscode/tasks.json'), 'utf8');
    assert.match(text, /\/\/ Comments stay where they are\./);
    assert.match(text, /"dependsOrder": "sequence"/);
    await until('the task to have run', async () => (await installations()).length === ran + 1, long);
    assert.equal((await checkpoints()).filter(({ createdBy }) => createdBy === 'task').length, 0);
  });

  it('from then on it starts after a checkpoint, without a note; keepLast keeps two', async () => {
    const taken = async (): Promise<CheckpointInfo[]> =>
      (await checkpoints()).filter(({ name }) => name === 'before the risky install');
    const run = async (): Promise<void> => {
      const ran = (await installations()).length;
      await runTask('risky install');
      await until('the task to run', async () => (await installations()).length === ran + 1, long);
    };
    // The editor reads the changed tasks.json in its own time.
    await until(
      'the dependency to be known',
      async () => {
        await workbench.clearNotifications();
        await run();
        return (await taken()).length === 1;
      },
      long,
    );
    await workbench.clearNotifications();
    await run();
    await run();
    assert.equal((await taken()).length, 2);
    const last = (await taken()).at(-1)?.created ?? '';
    assert.ok(last < ((await installations()).at(-1) ?? ''));
    const notes = await workbench.notifications();
    assert.deepEqual(
      notes.filter(({ message }) => /without a checkpoint/.test(message)),
      [],
    );
  });

  it('Run Task with Checkpoint… goes by the hook: no question for the machine, and reverted at once when the task fails', async () => {
    await workbench.runCommand('VM Checkpoints: Run Task with Checkpoint…');
    await workbench.quickPick('install that fails');
    await workbench.waitForNotification(/Reverted “playground” to “before task install that fails”/, 90_000);
    await workbench.screenshot('14-task-reverted');
  });
});
