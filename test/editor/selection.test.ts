import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const view = 'VM Checkpoints';

describe('several checkpoints at once', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt }) => {
      for (const name of ['web', 'database']) {
        await ckpt.run('createMachine', ['create-machine', name, '--image', 'playground']);
        for (const checkpoint of ['one', 'two', 'three']) {
          await ckpt.run('take', ['take', name, checkpoint]);
        }
      }
    });
    workbench = session.workbench;
    await workbench.openView(view);
    await workbench.treeRow(['web', 'three']);
  });
  after(() => session.close());

  const names = async (machine: string): Promise<string> => {
    const { checkpoints } = (await session.home.ckpt.run('show', ['show', machine])).machine;
    return checkpoints.map(({ name }) => name).join();
  };
  const check = async (...address: [string, string]): Promise<void> => {
    await workbench.clickCheckbox(address);
    await workbench.waitForTreeState(address, /^Selected: /);
  };
  const messageIs = async (text: string): Promise<void> => {
    await workbench.page.locator('.part.sidebar .message', { hasText: text }).waitFor({ timeout: 40_000 });
  };

  it('checkboxes → those of two machines are deleted after one question → one Undo brings all back', async () => {
    await workbench.runCommand('VM Checkpoints: Select Checkpoints…');
    await messageIs('0 checkpoints selected.');
    assert.match((await workbench.treeRow(['web', 'one'])).ariaLabel, /^Not selected: Checkpoint one/);
    for (const [machine, name] of [
      ['web', 'one'],
      ['web', 'two'],
      ['database', 'three'],
    ] as const) {
      await check(machine, name);
    }
    await messageIs('3 checkpoints selected.');
    await workbench.screenshot('a5-selecting');
    await workbench.clickViewAction(view, 'Delete Selected…');
    const { message, detail } = await workbench.modalDialog();
    assert.equal(message, 'Delete 3 checkpoints of 2 machines?');
    assert.match(detail, /“web”:\s*To the trash, restorable until .*: “one”, “two”\./);
    assert.match(detail, /“database”:\s*To the trash, restorable until .*: “three”\./);
    assert.match(detail, /Frees nothing yet; .* when they go for good\./);
    await workbench.screenshot('a6-delete-selected');
    await workbench.clickDialogButton('Delete');
    await workbench.waitForNoTreeRow(['web', 'one']);
    await workbench.waitForNoTreeRow(['database', 'three']);
    assert.deepEqual([await names('web'), await names('database')], ['three', 'one,two']);
    await messageIs('0 checkpoints selected.');
    await workbench.clickNotificationButton('Deleted 3 checkpoints. What was deleted is in the trash.', 'Undo');
    await workbench.treeRow(['web', 'one']);
    await workbench.treeRow(['database', 'three']);
    await workbench.waitForNoTreeRow(['database', 'Trash']);
    assert.deepEqual([await names('web'), await names('database')], ['one,two,three', 'one,two,three']);
    await workbench.clearNotifications();
  });

  it('two of one machine → what differs is told; of two machines → it says what to select', async () => {
    await check('web', 'one');
    await check('database', 'one');
    await workbench.clickViewAction(view, 'Compare Selected');
    await workbench.waitForNotification('Two checkpoints of one machine can be compared. Select exactly two.');
    await workbench.clickRow(['database', 'one']);
    await workbench.page.keyboard.press('Space');
    await workbench.waitForTreeState(['database', 'one'], /^Not selected: /);
    await workbench.clickRow(['web', 'two']);
    await workbench.page.keyboard.press('ArrowDown');
    await workbench.page.keyboard.press('Space');
    await workbench.waitForTreeState(['web', 'three'], /^Selected: /);
    await workbench.clickViewAction(view, 'Compare Selected');
    const report = workbench.webview().locator('body', { hasText: '“one” and “three” of “web”' });
    await report.waitFor({ timeout: 60_000 });
    assert.match(await report.innerText(), /Their disks hold the same, and so do their settings\./);
    await workbench.screenshot('a7-compared');
    await workbench.clearNotifications();
  });

  it('Done → no checkboxes', async () => {
    await workbench.clickViewAction(view, 'Done Selecting');
    await workbench.waitForTreeState(['web', 'one'], /^Checkpoint one/);
    assert.equal(await workbench.page.locator('.custom-view-tree-node-item-checkbox').count(), 0);
  });

  it('several rows selected by Ctrl and Shift → Delete key, and the menu; one Undo', async () => {
    await workbench.clickRow(['web', 'one']);
    await workbench.page.keyboard.down('Control');
    await workbench.clickRow(['web', 'three']);
    await workbench.page.keyboard.up('Control');
    await workbench.page.keyboard.press('Delete');
    assert.equal((await workbench.modalDialog()).message, 'Delete 2 checkpoints of “web”?');
    await workbench.clickDialogButton('Delete');
    await workbench.clickNotificationButton('Deleted 2 checkpoints.', 'Undo');
    await workbench.waitForNoTreeRow(['web', 'Trash']);
    assert.equal(await names('web'), 'one,two,three');
    await workbench.clearNotifications();

    await workbench.clickRow(['database', 'one']);
    await workbench.page.keyboard.down('Shift');
    await workbench.clickRow(['database', 'two']);
    await workbench.page.keyboard.up('Shift');
    assert.deepEqual(await workbench.contextMenuItems(['database', 'two']), ['Compare Selected', 'Delete Checkpoint…']);
    await workbench.contextMenu(['database', 'two'], 'Delete Checkpoint…');
    assert.equal((await workbench.modalDialog()).message, 'Delete 2 checkpoints of “database”?');
    await workbench.clickDialogButton('Delete');
    await workbench.waitForNoTreeRow(['database', 'one']);
    assert.equal(await names('database'), 'three');
  });
});
