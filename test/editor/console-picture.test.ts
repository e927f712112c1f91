import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import { inGuest } from '../support/guest.ts';
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
    await ckpt.run('take', ['take', machine, 'later']);
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
    const [engine] = await session.engines();
    assert.ok(engine !== undefined);
    process.kill(engine, 'SIGSTOP');
    await page.getByRole('treeitem', { name: /^later/ }).click();
    await page.locator('.selected h2', { hasText: 'later' }).waitFor();
    assert.equal(await page.locator('.console').count(), 0);
    process.kill(engine, 'SIGKILL');
    await page.locator('.console pre').waitFor({ timeout: 60_000 });
  });
});
