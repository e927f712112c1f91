import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import { inGuest } from '../support/guest.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';

describe('tasks with checkpoints', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.ofMachine(machine);
    workbench = session.workbench;
    const settings = { 'vmCheckpoints.checkpointKind': 'production-only' };
    await writeFile(path.join(session.workspaceFolder, '.vscode/settings.json'), JSON.stringify(settings));
  });
  after(() => session.close());

  const installations = async (): Promise<string[]> => {
    const text = await readFile(path.join(session.workspaceFolder, 'installed.txt'), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  };
  const checkpoints = async (): Promise<{ name: string; created: string; createdBy: string }[]> =>
    (await session.home.ckpt.run('show', ['show', machine])).machine.checkpoints;
  const runTask = async (label: string): Promise<void> => {
    await workbench.runCommand('Tasks: Run Task');
    await workbench.quickPick(label);
  };
  /** Waits for a text in the terminal, which breaks lines where it likes. */
  const terminalSays = (text: string): Promise<unknown> => {
    const whole = (shown: string): string => shown.replaceAll(/\s/g, '');
    return until(
      async () => `“${text}” in the terminal, which shows:\n${await workbench.terminalText()}`,
      async () => whole(await workbench.terminalText()).includes(whole(text)),
      { timeoutMilliseconds: 60_000 },
    );
  };

  it('a task that depends on a checkpoint starts after it was taken', async () => {
    await runTask('risky install');
    await until('the installer to run', async () => (await installations()).length === 1, {
      timeoutMilliseconds: 60_000,
    });
    const [checkpoint] = await checkpoints();
    assert.equal(checkpoint?.name, 'before risky install');
    assert.equal(checkpoint.createdBy, 'task');
    const [installed] = await installations();
    assert.ok(
      installed !== undefined && checkpoint.created < installed,
      `${checkpoint.created} is before ${String(installed)}`,
    );
    await workbench.screenshot('7-task');
  });

  it('a task that depends on a checkpoint does not start when that fails, and the terminal says why', async () => {
    await runTask('install without a net');
    await workbench.waitForTerminalText(/There is no machine “nowhere”/, 60_000);
    await workbench.waitForTerminalText(/Tasks that depend on this one do not start/);
    await workbench.screenshot('8-task-refused');
    // A second task that does run shows that the first one had its time.
    await runTask('risky install');
    await until('the installer to run again', async () => (await installations()).length >= 2, {
      timeoutMilliseconds: 60_000,
    });
    assert.equal((await installations()).length, 2);
  });

  it('Run Task with Checkpoint… → the task fails → Revert is offered → the machine is what it was', async () => {
    await workbench.runCommand('VM Checkpoints: Run Task with Checkpoint…');
    await workbench.quickPick('install that fails');
    await workbench.quickPick(machine);
    await workbench.waitForNotification(/install that fails.*(exit code|status) 3|failed/i, 60_000);
    await workbench.screenshot('9-task-failed');
    await workbench.screenshot('walkthrough-guard', { clip: { x: 812, y: 644, width: 468, height: 124 } });
    const before = await checkpoints();
    assert.ok(
      before.some(({ name }) => name === 'before task install that fails'),
      before.map(({ name }) => name).join(),
    );
    await workbench.clickNotificationButton(/install that fails/, 'Revert');
    await workbench.waitForNotification(/Reverted “playground” to “before task install that fails”/, 60_000);
  });

  it('a group in a task: without one of its machines none is taken, and what depends on it does not start', async () => {
    const ran = (await installations()).length;
    const had = (await checkpoints()).length;
    await runTask('migrate');
    await workbench.waitForTerminalText(/There is no machine “database”/, 60_000);
    await workbench.waitForTerminalText(/Tasks that depend on this one do not start/);
    assert.equal((await checkpoints()).length, had);
    assert.equal((await installations()).length, ran);
  });

  it('a group in a task: checkpoints of all its machines are taken together, before what depends on it starts', async () => {
    await session.home.ckpt.run('createMachine', ['create-machine', 'database', '--image', 'playground']);
    await workbench.treeRow('database');
    const ran = (await installations()).length;
    await runTask('migrate');
    await until('the migration to run', async () => (await installations()).length === ran + 1, {
      timeoutMilliseconds: 60_000,
    });
    const started = (await installations()).at(-1) ?? '';
    const { groups } = await session.home.ckpt.run('groupList', ['group', 'list']);
    const [group, ...others] = groups;
    assert.deepEqual(others, []);
    assert.equal(group?.name, 'before the migration');
    assert.deepEqual(group.members.map((member) => member.machine).toSorted(), ['database', machine]);
    for (const { checkpoint } of group.members) {
      assert.equal(checkpoint.createdBy, 'task');
      assert.ok(checkpoint.created < started, `${checkpoint.created} is before ${started}`);
    }
    await terminalSays('“database” (taken while stopped), “playground” (taken while stopped)');
    await workbench.treeRow(['Groups', 'before the migration']);
    await workbench.screenshot('9-task-group');
  });

  it('it goes by the kind that is set: what runs is frozen by its guest, and each tells what was achieved', async () => {
    await session.home.ckpt.run('start', ['start', machine]);
    await inGuest(session.home.folder, machine, (shell) => shell.run('until pidof qemu-ga; do sleep 1; done'));
    await workbench.waitForTreeState(machine, /running/);
    await runTask('migrate');
    await terminalSays('“database” (taken while stopped), “playground” (file-system-consistent)');
    const { groups } = await session.home.ckpt.run('groupList', ['group', 'list']);
    assert.deepEqual(
      groups
        .at(-1)
        ?.members.map(({ machine: name, checkpoint: { consistency, hasMemory } }) => [name, consistency, hasMemory]),
      [
        ['database', 'offline', false],
        [machine, 'file-system', false],
      ],
    );
  });
});
