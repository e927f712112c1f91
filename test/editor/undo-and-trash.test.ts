import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { CheckpointInfo } from '../../engine/protocol/machines.ts';
import { EditorSession } from '../support/editor-session.ts';
import { engineOf } from '../support/faults/stopped-lab.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';

describe('what is deleted and undone, by clicks', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.ofMachine(machine);
    workbench = session.workbench;
  });
  after(() => session.close());

  const shown = async () => (await session.home.ckpt.run('show', ['show', machine])).machine;
  const named = async (name: string): Promise<CheckpointInfo | undefined> =>
    (await shown()).checkpoints.find((checkpoint) => checkpoint.name === name);

  it('take → delete → Undo in the notification → it is back in its place', async () => {
    for (const name of ['base', 'tools']) {
      await workbench.clickInlineAction(machine, /Take Checkpoint/);
      await workbench.quickInput(name);
      await workbench.waitForNotification(`Took checkpoint “${name}”`);
    }
    await workbench.clearNotifications();
    await workbench.contextMenu('base', 'Delete Checkpoint…');
    assert.match(
      (await workbench.modalDialog()).detail,
      /To the trash, restorable until .*: “base”\.\s*“tools” then hangs from no checkpoint\./,
    );
    await workbench.screenshot('20-delete-question');
    await workbench.clickDialogButton('Delete');
    await workbench.waitForNotification('Deleted checkpoint “base”.');
    await workbench.waitForNoTreeRow('base');
    await workbench.screenshot('21-deleted');
    assert.equal((await named('tools'))?.parent, undefined);
    await workbench.clickNotificationButton('Deleted checkpoint “base”.', 'Undo');
    await workbench.treeRow([machine, 'base']);
    assert.equal((await named('tools'))?.parent, (await named('base'))?.id);
    assert.equal((await shown()).trash.length, 0);
  });

  it('delete again → restore from the trash', async () => {
    await workbench.clearNotifications();
    await workbench.contextMenu('base', 'Delete Checkpoint…');
    await workbench.clickDialogButton('Delete');
    await workbench.waitForNoTreeRow('base');
    await workbench.waitForTreeState([machine, 'Trash'], /1 checkpoint .*(bytes|KiB|MiB)/);
    await workbench.expandRow([machine, 'Trash']);
    await workbench.screenshot('22-trash');
    await workbench.clickInlineAction([machine, 'Trash', 'base'], /Restore/);
    await workbench.waitForNoTreeRow('Trash');
    await workbench.treeRow([machine, 'base']);
  });

  it('delete by key → restore from the menu of the machine, which asks which', async () => {
    await workbench.clickRow('base');
    await workbench.page.keyboard.press('Delete');
    await workbench.clickDialogButton('Delete');
    await workbench.treeRow([machine, 'Trash']);
    await workbench.contextMenu(machine, 'Restore Deleted Checkpoint…');
    await workbench.quickPick('base');
    await workbench.treeRow([machine, 'base']);
  });

  it('rename by key', async () => {
    await workbench.clickRow('base');
    await workbench.page.keyboard.press('F2');
    await workbench.quickInput('groundwork');
    await workbench.treeRow([machine, 'groundwork']);
    await workbench.clickRow('groundwork');
    await workbench.page.keyboard.press('F2');
    await workbench.quickInput('base');
    await workbench.treeRow([machine, 'base']);
  });

  it('the machine is changed again and again by another program → a key acts on what is selected all the same', async () => {
    const { service } = engineOf(session.home.folder);
    await workbench.clickRow('base');
    const enough = new AbortController();
    const changing = (async () => {
      for (let change = 0; !enough.signal.aborted; change++) {
        await service.annotate({ machine, checkpoint: 'base', colour: change % 2 === 0 ? 'blue' : 'green' });
        // What an engine is asked meanwhile gets its turn.
        await delay(150);
      }
    })();
    try {
      for (let times = 0; times < 15; times++) {
        await workbench.page.keyboard.press('Delete');
        assert.equal((await workbench.modalDialog()).message, 'Delete checkpoint “base” of “playground”?');
        await workbench.clickDialogButton('Cancel');
      }
    } finally {
      enough.abort();
      await changing;
    }
  });

  it('pin → the icon and the screen reader say so', async () => {
    await workbench.contextMenu('base', 'Pin Checkpoint');
    await workbench.waitForTreeState('base', /pinned/);
    assert.equal((await named('base'))?.pinned, true);
  });

  it('apply → undo → redo, from the menus', async () => {
    await workbench.clearNotifications();
    await workbench.clickInlineAction('base', /Apply Checkpoint/);
    await workbench.clickDialogButton('Apply');
    await workbench.waitForNotification('Applied “base” to “playground”.');
    await workbench.screenshot('23-applied');
    assert.equal((await shown()).now.parent, (await named('base'))?.id);
    await workbench.contextMenu(machine, 'Undo Last Apply or Revert');
    await workbench.waitForNotification(/Undone: “playground”/);
    assert.equal((await shown()).now.parent, (await named('tools'))?.id);
    await workbench.contextMenu(machine, 'Redo');
    await workbench.waitForNotification(/Redone: “playground”/);
    assert.equal((await shown()).now.parent, (await named('base'))?.id);
    await workbench.treeRow([machine, 'base', 'Now']);
    await workbench.screenshot('24-redone');
  });

  it('delete for good, from the trash and from the tree, and empty the trash', async () => {
    await workbench.clearNotifications();
    for (const name of ['one', 'two', 'three']) {
      await session.home.ckpt.run('take', ['take', machine, name]);
    }
    await workbench.treeRow('three');
    for (const [index, name] of ['one', 'two'].entries()) {
      await workbench.contextMenu(name, 'Delete Checkpoint…');
      await workbench.clickDialogButton('Delete');
      await workbench.waitForNotification(`Deleted checkpoint “${name}”.`);
      await workbench.waitForTreeState([machine, 'Trash'], new RegExp(`${index + 1} checkpoints? .*(bytes|KiB|MiB)`));
    }
    await workbench.expandRow([machine, 'Trash']);
    await workbench.clickRow([machine, 'Trash', 'one']);
    await workbench.page.keyboard.press('Delete');
    assert.match((await workbench.modalDialog()).detail, /Lost for good, which cannot be undone: “one”\./);
    await workbench.clickDialogButton('Delete for Good');
    await workbench.waitForNoTreeRow([machine, 'Trash', 'one']);
    await workbench.contextMenu([machine, 'Trash'], 'Empty Trash…');
    await workbench.screenshot('25-empty-trash');
    await workbench.clickDialogButton('Empty Trash');
    await workbench.waitForNoTreeRow('Trash');
    await workbench.contextMenu('three', 'Delete for Good…');
    await workbench.clickDialogButton('Delete for Good');
    await workbench.waitForNoTreeRow('three');
    assert.deepEqual((await shown()).trash, []);
    assert.equal((await shown()).now.parent, (await named('base'))?.id);
  });
});
