import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';
const bootLimitMs = 60_000;

describe('in a real VS Code, from the packaged extension', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async (home) => {
      await home.ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
    });
    workbench = session.workbench;
  });
  after(() => session.close());

  const checkpoints = async (): Promise<string[]> => {
    const shown = await session.home.ckpt.run('show', ['show', machine]);
    return shown.machine.checkpoints.map((checkpoint) => checkpoint.name);
  };

  it('the tree shows the host, the machine and Now', async () => {
    await workbench.openView('VM Checkpoints');
    await workbench.treeRow('Local (QEMU)');
    assert.match((await workbench.treeRow(machine)).ariaLabel, /stopped/);
    await workbench.expandRow(machine);
    await workbench.treeRow([machine, 'Now']);
    await workbench.screenshot('1-tree');
  });

  it('start with the inline button → running; the console echoes what is typed', async () => {
    await workbench.clickInlineAction(machine, /Start Machine/);
    await workbench.waitForTreeState(machine, /running/);
    await workbench.clickInlineAction(machine, /Open Console/);
    await workbench.waitForTerminalText(`${machine}:~#`, bootLimitMs);
    await workbench.typeInTerminal('echo heard-$((40+2)); echo precious > /root/marker; sync\n');
    await workbench.waitForTerminalText('heard-42');
    await workbench.screenshot('2-console');
  });

  it('take with the inline button → the name is prefilled with date and time → the checkpoint is in the tree, Now under it', async () => {
    await workbench.clickInlineAction(machine, /Take Checkpoint/);
    await workbench.waitForQuickInputValue(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    await workbench.quickInput('before experiment');
    await workbench.waitForNotification(/Took checkpoint “before experiment” of “playground”. \(.* stood still for/);
    await workbench.treeRow([machine, 'before experiment', 'Now']);
    assert.deepEqual(await checkpoints(), ['before experiment']);
    await workbench.screenshot('3-taken');
    await workbench.screenshot('walkthrough-take', { clip: { x: 0, y: 34, width: 352, height: 240 } });
  });

  it('a name that is not allowed is refused while it is typed', async () => {
    await workbench.clickInlineAction(machine, /Take Checkpoint/);
    await assert.rejects(workbench.quickInput('a/b'), /slashes/);
    await workbench.cancelQuickInput();
    assert.deepEqual(await checkpoints(), ['before experiment']);
  });

  it('destroy in the console → revert on Now → the question tells what happens → the machine is back, and the console with it', async () => {
    await workbench.typeInTerminal('clear; rm -r /srv/project /root/marker; ls /srv | wc -l\n');
    await workbench.waitForTerminalText(/^0$/m);
    await workbench.clearNotifications();
    await workbench.clickInlineAction([machine, 'before experiment', 'Now'], /Revert/);
    const question = await workbench.modalDialog();
    assert.match(question.message, /Revert “playground” to “before experiment”\?/);
    assert.match(question.detail, /is kept until .* as “Before applying “before experiment””, so this can be undone/);
    assert.match(question.detail, /will be running, from its saved memory/);
    await workbench.screenshot('4-question');
    await workbench.clickDialogButton('Revert');
    await workbench.waitForNotification('Reverted “playground” to “before experiment”.', bootLimitMs);
    await workbench.waitForTerminalText(/Joined to the machine again/);
    await workbench.typeInTerminal('\nclear; cat /root/marker; ls /srv\n');
    await workbench.waitForTerminalText(/precious\s+project/);
    await workbench.screenshot('5-reverted');
  });

  it('Undo in the notification → what was there before the revert is back', async () => {
    await workbench.clickNotificationButton('Reverted “playground”', 'Undo');
    const { message } = await workbench.waitForNotification(
      /Undone: “playground” is again what it was before/,
      bootLimitMs,
    );
    assert.match(message, /The guest has a new generation id\. The console has joined again\./);
    await workbench.typeInTerminal('\nclear; ls /srv | wc -l; echo asked\n');
    await workbench.waitForTerminalText(/^0\s+asked$/m);
  });

  it('the palette does the same: take, apply, rename, delete, each asking for what it needs', async () => {
    await workbench.clearNotifications();
    await workbench.runCommand('VM Checkpoints: Take Checkpoint…');
    await workbench.quickPick(machine);
    await workbench.quickInput('from palette');
    await workbench.waitForNotification('Took checkpoint “from palette”');

    await workbench.runCommand('VM Checkpoints: Apply Checkpoint…');
    await workbench.quickPick(machine);
    await workbench.quickPick('before experiment');
    await workbench.clickDialogButton('Apply');
    await workbench.waitForNotification('Applied “before experiment” to “playground”.', bootLimitMs);

    await workbench.runCommand('VM Checkpoints: Rename Checkpoint…');
    await workbench.quickPick(machine);
    await workbench.quickPick('from palette');
    await workbench.waitForQuickInputValue(/^from palette$/);
    await workbench.quickInput('renamed');
    await workbench.treeRow('renamed');

    await workbench.runCommand('VM Checkpoints: Delete Checkpoint…');
    await workbench.quickPick(machine);
    await workbench.quickPick('renamed');
    await workbench.clickDialogButton('Delete');
    await workbench.waitForNoTreeRow('renamed');
    assert.ok(!(await checkpoints()).includes('renamed'));

    await workbench.runCommand('VM Checkpoints: Revert…');
    await workbench.quickPick(machine);
    await workbench.clickDialogButton('Revert');
    await workbench.waitForNotification('Reverted “playground” to “before experiment”.', bootLimitMs);
    await workbench.runCommand('VM Checkpoints: Undo Last Apply or Revert');
    await workbench.quickPick(machine);
    await workbench.waitForNotification(/Undone: “playground”/, bootLimitMs);
  });

  it('the context menu offers what fits the item', async () => {
    assert.deepEqual(
      (await workbench.contextMenuItems('before experiment')).filter((item) => item !== ''),
      [
        'Apply Checkpoint…',
        'Rename Checkpoint…',
        'Edit Notes…',
        'Pin Checkpoint',
        'Set Colour…',
        'Clone…',
        'Export Disks…',
        'Show Details',
        'Compare with…',
        'Show Command…',
        'Select Checkpoints…',
        'Delete Checkpoint…',
        'Delete Subtree…',
        'Delete for Good…',
      ],
    );
  });

  it('what a shell changes is seen in the tree without a refresh', async () => {
    await session.home.ckpt.run('take', ['take', machine, 'from a shell']);
    await workbench.treeRow([machine, 'before experiment', 'from a shell']);
    await session.home.ckpt.run('stop', ['stop', machine, '--force']);
    await workbench.waitForTreeState(machine, /stopped/);
    await workbench.screenshot('6-stopped');
  });

  it('the walkthrough leads through the first steps', async () => {
    await workbench.runCommand('Welcome: Open Walkthrough...');
    await workbench.quickPick(/Get started with VM Checkpoints/);
    const page = workbench.page.locator('.gettingStartedContainer');
    for (const title of ['Bring a machine', 'Take a checkpoint', 'Revert, and undo the revert']) {
      await page.getByText(title, { exact: true }).first().waitFor();
    }
    await page.getByText('Take a checkpoint', { exact: true }).first().click();
    await workbench.screenshot('6-walkthrough');
  });
});
