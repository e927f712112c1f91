import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import { inGuest } from '../support/guest.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'pictured';

describe('what was on the console when a checkpoint was taken', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.ofMachine(machine);
    workbench = session.workbench;
    const { ckpt, folder } = session.home;
    await ckpt.run('start', ['start', machine]);
    await inGuest(folder, machine, (shell) => shell.run("echo '``` **loud** [link](command:x) <img src=x>'"));
    await ckpt.run('take', ['take', machine, 'typed']);
    await ckpt.run('stop', ['stop', machine, '--force']);
  });
  after(() => session.close());

  it('the tooltip shows it as it was, and nothing in it means anything', async () => {
    const said = await workbench.rowTooltip([machine, 'typed'], 'On its console then');
    await workbench.screenshot('n0-tooltip', { settle: false, keepTooltip: true });
    assert.ok(said.replaceAll(/\s/g, ' ').includes('``` **loud** [link](command:x) <img src=x>'), said);
    assert.equal(await workbench.page.locator('.monaco-hover:visible').locator('a, img').count(), 0);
  });

  it('so do the details', async () => {
    await workbench.page.mouse.move(0, 0);
    await workbench.contextMenu([machine, 'typed'], 'Show Details');
    const picture = workbench.webview().locator('.console pre');
    await picture.waitFor({ timeout: 30_000 });
    assert.ok((await picture.textContent())?.includes('``` **loud** [link](command:x) <img src=x>'));
    await workbench.screenshot('n1-details');
  });

  it('the engine ends before it has told → the next one is asked, without a click', async () => {
    const page = workbench.webview();
    const point = (name: RegExp) => page.getByRole('treeitem', { name });
    await point(/^Now/).click();
    await workbench.page.reload();
    await page.getByRole('treeitem', { name: /^Now/, selected: true }).waitFor({ timeout: 60_000 });
    await workbench.openView('VM Checkpoints');
    await workbench.treeRow([machine, 'typed']);
    const engine = await until(
      'the engine of the window before to end',
      async () => {
        const [only, ...others] = await session.engines();
        return others.length === 0 && only;
      },
      { timeoutMilliseconds: 30_000 },
    );
    process.kill(engine, 'SIGSTOP');
    await point(/^typed/).click();
    await page.locator('.selected h2', { hasText: 'typed' }).waitFor();
    process.kill(engine, 'SIGKILL');
    await page.locator('.console pre').waitFor({ timeout: 60_000 });
  });
});
