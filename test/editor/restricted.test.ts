import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';

describe('in a workspace that is not trusted, and names a program of its own for QEMU', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(
      path.join(import.meta.dirname, 'untrusted-workspace'),
      async ({ ckpt }) => {
        await ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
        await ckpt.run('take', ['take', machine, 'first']);
      },
      { workspaceTrust: true, settings: { 'security.workspace.trust.startupPrompt': 'never' } },
    );
    workbench = session.workbench;
    await workbench.openView('VM Checkpoints');
  });
  after(() => session.close());

  const checkpoints = async (): Promise<string[]> =>
    (await session.home.ckpt.run('show', ['show', machine])).machine.checkpoints.map(({ name }) => name);

  it('machines are listed, and its program is not run', async () => {
    assert.doesNotMatch((await workbench.treeRow('Local (QEMU)')).ariaLabel, /not available/);
    await workbench.treeRow([machine, 'first', 'Now']);
    const sideBar = workbench.page.locator('.part.sidebar');
    await sideBar.getByText('This workspace is not trusted: nothing is started or changed until it is.').waitFor();
    await workbench.screenshot('80-restricted');
  });

  it('nothing can be changed or started, and the refusal leads to the way out', async () => {
    for (const command of ['Take Checkpoint…', 'Revert…', 'Start Machine']) {
      await workbench.clearNotifications();
      const isOffered = await offers(workbench, command);
      if (isOffered) {
        await workbench.runCommand(`VM Checkpoints: ${command}`);
        await workbench.waitForNotification('This workspace is not trusted: no machine is started or changed');
      }
    }
    assert.deepEqual(await checkpoints(), ['first']);
    assert.equal((await session.home.processes()).length, 0);
  });

  it('once it is trusted, changes are made, and its settings count', async () => {
    await workbench.runCommand('Workspaces: Manage Workspace Trust');
    await workbench.page
      .locator('.workspace-trust-editor .workspace-trust-buttons-row')
      .getByText(/^Trust$/)
      .first()
      .click();
    await workbench.runCommand('VM Checkpoints: Take Checkpoint…');
    await workbench.quickPick(machine);
    await workbench.quickInput('trusted');
    await workbench.treeRow([machine, 'trusted']);
    assert.deepEqual(await checkpoints(), ['first', 'trusted']);
    await workbench.waitForTreeState('Local (QEMU)', /not available/);
  });
});

/** Whether the palette offers one of our commands now. */
async function offers(workbench: Workbench, title: string): Promise<boolean> {
  await workbench.page.keyboard.press('F1');
  await workbench.fillQuickInput(`>VM Checkpoints: ${title}`);
  const items = await workbench.quickPickItems();
  await workbench.cancelQuickInput();
  return items.includes(`VM Checkpoints: ${title}`);
}
