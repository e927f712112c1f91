import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import { until } from '../support/vscode/until.ts';
import { actionTimeoutMilliseconds, type Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';
const shortTimeoutMilliseconds = 5000;

describe('without the mouse', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async (home) => {
      await home.ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
    });
    workbench = session.workbench;
  });
  after(() => session.close());

  const shown = async () => (await session.home.ckpt.run('show', ['show', machine])).machine;
  const press = (key: string): Promise<void> => workbench.page.keyboard.press(key);

  /** Waits until the item that the Enter key would choose has this text. */
  const focused = async (selector: string, text: RegExp): Promise<void> => {
    const item = workbench.page.locator(selector, { hasText: text }).first();
    await item.waitFor({ timeout: actionTimeoutMilliseconds });
  };
  const choose = async (text: RegExp): Promise<void> => {
    await focused('.quick-input-list .monaco-list-row.focused', text);
    await press('Enter');
  };
  /** Types into the command palette until the command is the first one, and runs it: again while VS Code does not know it yet. */
  const command = async (title: string, shownAs: RegExp): Promise<void> => {
    const first = workbench.page.locator('.quick-input-list .monaco-list-row.focused', { hasText: shownAs }).first();
    await until(
      `${title} to be the first in the palette`,
      async () => {
        await press('F1');
        await workbench.fillQuickInput('>');
        await workbench.page.keyboard.type(title);
        return first.waitFor({ timeout: shortTimeoutMilliseconds }).then(
          () => true,
          async () => {
            await press('Escape');
            return false;
          },
        );
      },
      { timeoutMilliseconds: actionTimeoutMilliseconds * 2 },
    );
    await press('Enter');
  };

  it('the palette: take a checkpoint; Enter accepts what is asked', async () => {
    await command('View: Show VM Checkpoints', /Show VM Checkpoints/);
    await workbench.treeRow([machine, 'Now']);
    await command('VM Checkpoints: Take Checkpoint', /VM Checkpoints: Take Checkpoint…/);
    await choose(/playground/);
    await workbench.waitForQuickInputValue(/^\d{4}-/);
    await workbench.page.keyboard.type('by key'); // what is prefilled is selected
    await press('Enter');
    await workbench.treeRow([machine, 'by key', 'Now']);
    assert.deepEqual(
      (await shown()).checkpoints.map(({ name }) => name),
      ['by key'],
    );
  });

  it('the tree: to Now, its menu, Revert, and Enter in the question', async () => {
    await command('VM Checkpoints: Focus on', /VM Checkpoints: Focus on/);
    const now = workbench.page.locator('.part.sidebar .monaco-list-row.focused', { hasText: /Now/ }).first();
    await until(
      'the keyboard to be on Now',
      async () => {
        await press('End');
        return now.waitFor({ timeout: shortTimeoutMilliseconds }).then(
          () => true,
          () => false,
        );
      },
      { timeoutMilliseconds: actionTimeoutMilliseconds },
    );
    await press('Shift+F10');
    const menu = '.monaco-menu .action-item.focused';
    await until(
      'Revert… in the menu of Now',
      async () => {
        const item = workbench.page.locator(menu, { hasText: /^Revert…/ });
        if (await item.isVisible()) return true;
        await press('ArrowDown');
        return false;
      },
      { timeoutMilliseconds: actionTimeoutMilliseconds, intervalMilliseconds: 200 },
    );
    await press('Enter');
    await workbench.modalDialog();
    await focused('.monaco-dialog-box .monaco-button:focus', /^Revert$/);
    await press('Enter');
    await workbench.waitForNotification(`Reverted “${machine}” to “by key”.`);
    assert.notEqual((await shown()).now.undo, undefined);
    await workbench.screenshot('60-reverted-by-key');
  });

  it('the notification: its Undo', async () => {
    await command('Notifications: Accept Notification Primary Action', /Accept Notification Primary Action/);
    await workbench.waitForNotification(/Undone: “playground” is again what it was before/);
    const { now } = await shown();
    assert.equal(now.undo, undefined);
    assert.notEqual(now.redo, undefined);
  });
});
