import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { FrameLocator, Locator } from 'playwright-core';
import type { CheckpointInfo } from '../../engine/protocol/machines.ts';
import { EditorSession } from '../support/editor-session.ts';
import { engineOf, writeToNow } from '../support/faults/stopped-lab.ts';
import { accessibilityFaults } from '../support/vscode/accessibility.ts';
import { until } from '../support/vscode/until.ts';
import { actionTimeoutMilliseconds, type Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';
const hostile = '<img src=x onerror=document.title=1> &amp; <b>';

describe('the details of a machine', () => {
  let session: EditorSession;
  let workbench: Workbench;
  let page: FrameLocator;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt, folder }) => {
      await ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
      const { guards, service } = engineOf(folder);
      const write = async (tag: number, mebibytes: number): Promise<void> =>
        writeToNow((await service.show({ machine })).machine, tag, tag * 16 * 1024 * 1024, mebibytes * 1024 * 1024, [
          folder,
        ]);
      for (const [index, name] of ['base', 'tools', 'compiler'].entries()) {
        await write(index + 1, 3 * index + 1);
        await service.take({ machine, name }, {});
      }
      await service.annotate({ machine, checkpoint: 'base', pinned: true });
      await service.annotate({ machine, checkpoint: 'compiler', colour: 'green' });
      await service.apply({ machine, checkpoint: 'tools' }, {});
      await service.take({ machine, name: hostile }, {});
      await service.apply({ machine, checkpoint: 'compiler', discardNow: true }, {});
      const { checkpoint } = await guards.guardBegin({ machine, command: ['make', 'install'] }, {});
      await write(5, 12);
      await guards.guardEnd({ machine, checkpoint: checkpoint.id, end: { exitCode: 0 }, outcome: 'keep' }, {});
    });
    workbench = session.workbench;
    page = workbench.webview();
    await workbench.openView('VM Checkpoints');
    await workbench.treeRow(hostile);
  });
  after(() => session.close());

  const shown = async () => (await session.home.ckpt.run('show', ['show', machine])).machine;
  const named = async (name: string): Promise<CheckpointInfo | undefined> =>
    (await shown()).checkpoints.find((checkpoint) => checkpoint.name === name);
  const point = (name: string): Locator =>
    page.locator('[role=treeitem]').filter({ has: workbench.page.locator('.name').getByText(name, { exact: true }) });
  const selected = (): Locator => page.locator('[role=treeitem][aria-selected=true] .name');
  const untilSelected = (name: string): Promise<unknown> =>
    until(
      async () => `${name} to be selected, and not ${await selected().innerText()}`,
      async () => (await selected().innerText()) === name,
      { timeoutMilliseconds: actionTimeoutMilliseconds },
    );
  const press = (key: string): Promise<void> => workbench.page.keyboard.press(key);

  it('the context menu of a checkpoint opens them at that checkpoint', async () => {
    await workbench.contextMenu('base', 'Show Details');
    await untilSelected('base');
    await page.locator('.selected h2', { hasText: 'base' }).waitFor();
    assert.equal(await page.locator('[role=treeitem]').count(), 8);
    await page
      .locator('svg .size', { hasText: /\d (bytes|KiB|MiB)/ })
      .first()
      .waitFor();
    assert.equal(await page.locator('svg .outcome').innerHTML(), 'exit code 0, kept');
    await workbench.screenshot('80-details');
  });

  it('Alt+Enter on another row shows it in the same tab', async () => {
    await workbench.clickRow('tools');
    await press('Alt+Enter');
    await untilSelected('tools');
    assert.equal(await workbench.page.locator('.tabs-container .tab').count(), 1);
  });

  it('names are text, whatever is in them', async () => {
    await point(hostile).waitFor();
    assert.equal(await page.locator('img, b').count(), 0);
  });

  it('arrow keys go through the tree', async () => {
    await point('base').click();
    await press('ArrowDown');
    await untilSelected('tools');
    await press('ArrowDown');
    await untilSelected('compiler');
    await press('ArrowRight');
    await untilSelected(hostile);
    await press('ArrowUp');
    await untilSelected('tools');
    await press('End');
    await untilSelected('Now');
    await press('Home');
    await untilSelected('base');
  });

  it('what another process does is shown, and the focus stays where it is', async () => {
    await point('tools').click();
    await session.home.ckpt.run('take', ['take', machine, 'from outside']);
    await point('from outside').waitFor();
    await untilSelected('tools');
    assert.equal(await page.locator('[role=treeitem]:focus .name').innerText(), 'tools');
    await session.home.ckpt.run('delete', ['delete', machine, 'from outside']);
    await point('from outside').waitFor({ state: 'detached' });
    assert.equal(await page.locator('[role=treeitem]:focus .name').innerText(), 'tools');
  });

  it('notes are written, saved, and found by others', async () => {
    await point('tools').click();
    const notes = page.getByLabel('Notes');
    await notes.click();
    await workbench.page.keyboard.type('gcc 14,\n');
    await workbench.page.keyboard.type(hostile);
    await point('base').click();
    assert.equal(await notes.inputValue(), '');
    await point('tools').click();
    assert.equal(await notes.inputValue(), `gcc 14,\n${hostile}`, 'a draft stays');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    assert.equal((await named('tools'))?.notes, `gcc 14,\n${hostile}`);
  });

  it('notes that somebody else changed meanwhile are not overwritten unseen', async () => {
    const notes = page.getByLabel('Notes');
    await notes.fill('mine');
    await session.home.ckpt.run('annotate', ['annotate', machine, 'tools', '--notes', 'theirs']);
    await until('the engine to have told', async () => (await named('tools'))?.notes === 'theirs', {
      timeoutMilliseconds: actionTimeoutMilliseconds,
    });
    assert.equal(await notes.inputValue(), 'mine');
    await notes.focus();
    await press('Control+Enter');
    await page.getByText('somebody else changed these notes').waitFor();
    await page.locator('blockquote', { hasText: 'theirs' }).waitFor();
    assert.equal((await named('tools'))?.notes, 'theirs');
    await workbench.screenshot('82-notes-changed');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    assert.equal((await named('tools'))?.notes, 'mine');
  });

  it('the parts: disks, space, history; by clicks and arrow keys', async () => {
    await page.getByRole('tab', { name: 'Disks' }).click();
    await page.getByRole('row', { name: /disk0-\w+\.qcow2 qcow2 .* written by Now/ }).waitFor();
    await page.getByRole('row', { name: /frozen by “base”/ }).waitFor();
    await workbench.screenshot('83-disks');
    await press('ArrowRight');
    await page
      .getByRole('tabpanel', { name: 'Space' })
      .getByRole('row', { name: /^tools/ })
      .waitFor();
    await workbench.screenshot('84-space');
    await press('ArrowRight');
    await page.getByRole('row', { name: /Deleted “from outside”/ }).waitFor();
    await page.getByRole('row', { name: /Took “tools”/ }).waitFor();
    await page.getByRole('row', { name: /Annotated “tools” ckpt/ }).waitFor();
    await workbench.screenshot('85-history');
    await press('ArrowRight');
    await point('tools').waitFor();
  });

  it('apply from the page asks as everywhere, and moves Now', async () => {
    await point('base').click();
    await page.getByRole('button', { name: 'Apply…' }).click();
    assert.match((await workbench.modalDialog()).message, /base/);
    await workbench.clickDialogButton('Apply');
    await workbench.waitForNotification(`Applied “base” to “${machine}”.`);
    assert.equal((await shown()).now.parent, (await named('base'))?.id);
    await page.getByRole('treeitem', { name: /^Now .*grown from base/ }).waitFor();
    await workbench.clearNotifications();
    await workbench.screenshot('81-applied');
  });

  it('compare from the page asks with which checkpoint, and shows in what they differ', async () => {
    await point('base').click();
    await page.getByRole('button', { name: 'Compare with…' }).click();
    await workbench.quickPick('tools');
    await workbench.page
      .locator('.tabs-container .tab', { hasText: '“base” and “tools”' })
      .waitFor({ timeout: 60_000 });
    await workbench.runCommand('View: Close Editor');
    await point('base').waitFor();
  });

  it('the machine is moved to a group from the page', async () => {
    await point('Now').click();
    await page.getByRole('button', { name: 'Move to Group…' }).click();
    await workbench.quickPick('New Group…');
    await workbench.quickInput('lab');
    await until('the machine to be in the group', async () => (await shown()).group === 'lab', {
      timeoutMilliseconds: actionTimeoutMilliseconds,
    });
  });

  it('a window that is opened again shows what was looked at', async () => {
    await workbench.reload();
    await page.getByRole('treeitem', { selected: true }).waitFor({ timeout: 60_000 });
    await page.getByRole('heading', { name: machine }).waitFor();
  });

  for (const theme of ['Dark Modern', 'Light Modern', 'Dark High Contrast', 'Light High Contrast']) {
    it(`${theme}: axe-core finds nothing serious in any part`, async () => {
      await workbench.runCommand('Preferences: Color Theme');
      await workbench.fillQuickInput(theme);
      await workbench.quickPick(theme);
      for (const part of ['Disks', 'Space', 'History', 'Checkpoints']) {
        await page.getByRole('tab', { name: part }).click();
        await page.getByRole('tabpanel', { name: part }).waitFor();
        assert.deepEqual(await accessibilityFaults(page), [], part);
      }
      await workbench.screenshot(`86-details-${theme.toLowerCase().replaceAll(' ', '-')}`);
    });
  }

  it('as the README shows it', async () => {
    await session.home.ckpt.run('rename', ['rename', machine, hostile, 'attempt 1']);
    await session.home.ckpt.run('annotate', [
      'annotate',
      machine,
      'compiler',
      '--notes',
      'gcc 14, with the patch for #2117',
    ]);
    await workbench.runCommand('Preferences: Color Theme');
    await workbench.fillQuickInput('Dark Modern');
    await workbench.quickPick('Dark Modern');
    await point('compiler').click();
    await page.getByLabel('Notes').waitFor();
    await point('attempt 1').waitFor();
    await workbench.screenshot('87-details');
  });

  it('axe-core would find something', async () => {
    await page
      .locator('.selected button')
      .first()
      .evaluate((button: { replaceChildren(): void }) => button.replaceChildren());
    assert.match((await accessibilityFaults(page)).join('\n'), /^button-name\n/);
  });
});
