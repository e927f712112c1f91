import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import { GuestShell, inGuest } from '../support/guest.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';

describe("a machine's life, by clicks", () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt }) => {
      await ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
      await ckpt.run('start', ['start', machine]);
    });
    workbench = session.workbench;
    await workbench.openView('VM Checkpoints');
    await workbench.treeRow('Local (QEMU)');
  });
  after(() => session.close());

  const inMachine = (command: string): Promise<string> =>
    inGuest(session.home.folder, machine, (shell) => shell.run(command));

  it('Save Machine State → saved; Start → what ran runs on', async () => {
    await inMachine('echo in memory > /run/word');
    await workbench.contextMenu(machine, 'Save Machine State');
    await workbench.waitForTreeState(machine, /saved/);
    await workbench.screenshot('70-saved');
    await workbench.clickInlineAction(machine, /Start Machine/);
    await workbench.waitForTreeState(machine, /running/);
    assert.equal(await inMachine('cat /run/word'), 'in memory');
  });

  it('Discard Saved State…, from the palette → asks, with what is lost → off', async () => {
    await workbench.contextMenu(machine, 'Save Machine State');
    await workbench.waitForTreeState(machine, /saved/);
    await workbench.runCommand('VM Checkpoints: Discard Saved State…');
    await workbench.quickPick(machine);
    assert.match((await workbench.modalDialog()).detail, /saved memory \(\d+ MiB\) is deleted.*lost/);
    await workbench.screenshot('71-discard');
    await workbench.clickDialogButton('Discard Saved State');
    await workbench.waitForTreeState(machine, /stopped/);
    assert.equal((await session.home.ckpt.run('show', ['show', machine])).machine.now.savedMemoryBytes, undefined);
  });

  it('Reset Machine… → asks → another boot', async () => {
    await workbench.clickInlineAction(machine, /Start Machine/);
    await workbench.waitForTreeState(machine, /running/);
    await inMachine('echo in memory > /run/word');
    await workbench.contextMenu(machine, 'Reset Machine…');
    await workbench.clickDialogButton('Reset');
    await session.home.ckpt.run('show', ['show', machine]);
    assert.equal(await inMachine('while test -e /run/word; do sleep 1; done; echo another'), 'another');
  });

  it('its process is killed → told how it ended → Start Machine, in the notification', async () => {
    for (const pid of await session.home.processes()) {
      process.kill(pid, 'SIGKILL');
    }
    await workbench.waitForNotification(/“playground” is off\. QEMU \(process \d+\) (ended without a word|was killed)/);
    await workbench.waitForTreeState(machine, /ended unexpectedly/);
    await workbench.screenshot('72-ended');
    await workbench.clickNotificationButton(/is off\. QEMU/, 'Start Machine');
    await workbench.waitForTreeState(machine, /running/);
  });

  it('the kernel of its guest panics → told, with the ways on → Reset…, in the notification → it boots and is well', async () => {
    const shell = await GuestShell.open(session.home.folder, machine);
    await assert.rejects(shell.run('echo c > /proc/sysrq-trigger', 300));
    shell.close();
    const told = /“playground”: The guest’s kernel panicked\. Reset the machine, or revert it to its last checkpoint\./;
    const { buttons } = await workbench.waitForNotification(told);
    assert.deepEqual(buttons, ['Reset…'], 'it has no checkpoint to revert to');
    await workbench.waitForTreeState(machine, /paused · kernel panic/);
    await workbench.screenshot('73-panicked');
    await workbench.clickNotificationButton(told, 'Reset…');
    await workbench.clickDialogButton('Reset');
    await workbench.waitForTreeState(machine, /, running,/);
    await inMachine('true');
  });

  it('Remove Machine… → asks, with how many bytes go', async () => {
    await session.home.ckpt.run('stop', ['stop', machine, '--force']);
    await workbench.waitForTreeState(machine, /stopped/);
    await workbench.contextMenu(machine, 'Remove Machine…');
    assert.match((await workbench.modalDialog()).detail, /\d+(\.\d+)? MiB/);
    await workbench.clickDialogButton('Remove Machine');
    await workbench.waitForNoTreeRow(machine);
  });
});
