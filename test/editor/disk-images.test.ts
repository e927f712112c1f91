import assert from 'node:assert/strict';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import { runCkpt } from '../support/ckpt.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

describe('plain disk images of another program, by clicks', () => {
  let session: EditorSession;
  let workbench: Workbench;
  let folder: string;
  let disk: string;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'ckpt-disks-'));
    disk = path.join(folder, 'server.qcow2');
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async (home) => {
      const made = await runCkpt(home.folder, ['disk', 'create', '--to', 'qcow2', '--size', '64M', disk]);
      assert.equal(made.code, 0, made.stderr);
    });
    workbench = session.workbench;
    await workbench.openView('VM Checkpoints');
  });
  after(async () => {
    await session.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  it('Add Disk Images… → take → revert', async () => {
    // Away from the icon, which would show its tooltip over the picture.
    await workbench.page.mouse.move(640, 400);
    await workbench.screenshot('30-empty');
    await workbench.screenshot('walkthrough-machine', { clip: { x: 0, y: 34, width: 352, height: 300 } });
    await workbench.runCommand('VM Checkpoints: Add Disk Images…');
    await workbench.screenshot('31-choose');
    await workbench.chooseFile(disk);
    await workbench.quickInput('server');
    await workbench.waitForNotification('Added “server”.');
    await workbench.treeRow(['Disks only', 'server', 'Now']);
    await workbench.screenshot('32-added');
    assert.ok(!(await workbench.contextMenuItems('server')).some((item) => /Start|Pause|Console/.test(item)));

    await workbench.clickInlineAction('server', /Take Checkpoint/);
    await workbench.quickInput('before upgrade');
    await workbench.waitForNotification('Took checkpoint “before upgrade” of “server”.');
    await workbench.clickInlineAction(['server', 'before upgrade', 'Now'], /Revert/);
    await workbench.clickDialogButton('Revert');
    await workbench.waitForNotification('Reverted “server” to “before upgrade”.');
    await workbench.screenshot('33-reverted');
    await workbench.clearNotifications();
  });

  it('Clone… → asks where the other program is to find the disks → another machine', async () => {
    await workbench.contextMenu(['server', 'before upgrade'], 'Clone…');
    await workbench.quickPick('Linked');
    await workbench.quickInput('server-test');
    await workbench.chooseFile(folder);
    await workbench.quickInput('test-disks');
    await workbench.waitForNotification('Created “server-test”.', 60_000);
    await workbench.treeRow(['Disks only', 'server-test']);
    await access(path.join(folder, 'test-disks', 'server.qcow2'));
    await workbench.clearNotifications();
  });

  it('Export Machine… → Import Machine… asks for the folder of the disks', async () => {
    await workbench.contextMenu('server', 'Export Machine…');
    await workbench.chooseFile(folder);
    await workbench.quickInput('exported');
    await workbench.waitForNotification(/Exported .* to/, 60_000);
    await workbench.runCommand('VM Checkpoints: Import Machine…');
    await workbench.chooseFile(path.join(folder, 'exported'));
    await workbench.quickInput('imported');
    await workbench.chooseFile(folder);
    await workbench.quickInput('imported-disks');
    await workbench.waitForNotification('Created “imported”.', 60_000);
    await workbench.treeRow(['Disks only', 'imported', 'before upgrade', 'Now']);
    await access(path.join(folder, 'imported-disks', 'server.qcow2'));
    await workbench.screenshot('34-imported');
  });
});
