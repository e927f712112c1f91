import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const view = 'VM Checkpoints';

describe('which machines are shown, and in which order', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt }) => {
      for (const name of ['web-10', 'web-2', 'database']) {
        await ckpt.run('createMachine', ['create-machine', name, '--image', 'playground']);
      }
      await ckpt.run('take', ['take', 'web-10', 'earlier']);
      await ckpt.run('take', ['take', 'web-2', 'later']);
    });
    workbench = session.workbench;
    await workbench.openView(view);
    await workbench.treeRow('web-10');
  });
  after(() => session.close());

  const machinesAre = async (...wanted: string[]): Promise<void> => {
    let shown: string[] = [];
    await until(
      () => `${wanted.join(', ')} in the tree, which shows ${shown.join(', ')}`,
      async () => {
        const rows = await workbench.treeRows();
        shown = rows.filter(({ level }) => level === 2).map(({ label }) => label);
        return shown.join() === wanted.join();
      },
      { timeoutMilliseconds: 40_000 },
    );
  };
  const messageIs = async (text: string): Promise<void> => {
    const message = workbench.page.locator('.part.sidebar .message', { hasText: text });
    await message.waitFor({ timeout: 40_000 });
  };

  it('by name at first; by last use when chosen', async () => {
    await machinesAre('database', 'web-2', 'web-10');
    await workbench.runCommand('VM Checkpoints: Sort Machines…');
    await workbench.screenshot('a0-sort');
    await workbench.quickPick('Last used first');
    await machinesAre('web-2', 'web-10', 'database');
  });

  it('a filter → what passes it is shown, and a sentence says that it is on', async () => {
    await workbench.runCommand('VM Checkpoints: Filter Machines…');
    await workbench.quickPickMany(['stopped']);
    await workbench.quickInput('web');
    await machinesAre('web-2', 'web-10');
    await messageIs('Filter: stopped, name with “web”. Showing 2 of 3 machines.');
    await workbench.screenshot('a1-filtered');
  });

  it('both are kept when the window is reloaded; a machine that comes meanwhile goes through the filter', async () => {
    await workbench.page.reload();
    await workbench.openView(view);
    await machinesAre('web-2', 'web-10');
    for (const name of ['web-3', 'mail']) {
      await session.home.ckpt.run('createMachine', ['create-machine', name, '--image', 'playground']);
    }
    await machinesAre('web-2', 'web-10', 'web-3');
    await messageIs('Showing 3 of 5 machines.');
  });

  it('one click → all are there again', async () => {
    await workbench.clickViewAction(view, 'Clear Filter');
    await machinesAre('web-2', 'web-10', 'database', 'mail', 'web-3');
    await workbench.page.getByText('Filter:').waitFor({ state: 'hidden' });
  });
});
