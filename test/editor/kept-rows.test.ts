import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runCkpt } from '../support/ckpt.ts';
import { EditorSession } from '../support/editor-session.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const view = 'VM Checkpoints';
const machine = 'kept';

describe('rows that stay what they were', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt }) => {
      await ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
      await ckpt.run('take', ['take', machine, 'first']);
      await ckpt.run('take', ['take', machine, 'second']);
      await ckpt.run('delete', ['delete', machine, 'first']);
      await ckpt.run('take', ['take', machine, 'third']);
    });
    workbench = session.workbench;
    await workbench.openView(view);
    await workbench.treeRow([machine, 'third', 'Now']);
  });
  after(() => session.close());

  const selectedIs = async (label: string): Promise<void> => {
    let selected: string[] = [];
    await until(
      () => `“${label}” to be selected, and not ${selected.join(', ')}`,
      async () => {
        selected = (await workbench.treeRows()).filter(({ isSelected }) => isSelected).map((row) => row.label);
        return selected.join() === label;
      },
      { timeoutMilliseconds: 40_000 },
    );
  };
  const run = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await runCkpt(session.home.folder, args);
    assert.equal(code, 0, stderr);
  };

  it('another program moves Now away from the selected checkpoint, and back to it → it stays selected', async () => {
    await workbench.clickRow([machine, 'third']);
    await run('apply', machine, 'second', '--discard-now');
    await workbench.treeRow([machine, 'second', 'Now']);
    await workbench.waitForTreeState([machine, 'second'], /Now grew from it/);
    await selectedIs('third');
    await run('apply', machine, 'third', '--discard-now');
    await workbench.treeRow([machine, 'third', 'Now']);
    await selectedIs('third');
  });

  it('it is renamed, pinned, and others come and go → it stays selected', async () => {
    await run('rename', machine, 'third', 'renamed');
    await run('annotate', machine, 'renamed', '--pin');
    await run('take', machine, 'fourth');
    await run('delete', machine, 'second');
    await workbench.treeRow([machine, 'fourth', 'Now']);
    await workbench.waitForNoTreeRow([machine, 'second']);
    await selectedIs('renamed');
    await workbench.screenshot('k0-selected');
  });

  it('what was opened and closed is so after the window was reloaded', async () => {
    await workbench.collapseRow(/^Checkpoint fourth/);
    await workbench.waitForNoTreeRow('Now');
    await workbench.expandRow(/^Trash of/);
    // What was kept before is on its way when a later change has come back.
    await run('annotate', machine, 'fourth', '--colour', 'blue');
    await workbench.waitForTreeState(/^Checkpoint fourth/, /blue/);
    await workbench.reload();
    await workbench.openView(view);
    await workbench.treeRow([/^Trash of/, 'first']);
    await workbench.screenshot('k1-reloaded');
    assert.equal((await workbench.treeRow(/^Checkpoint fourth/)).isExpanded, false);
  });

  it('Collapse All → all rows are closed, and are so after the window was reloaded', async () => {
    await workbench.expandRow(/^Checkpoint fourth/);
    await workbench.treeRow([machine, 'fourth', 'Now']);
    await workbench.clickViewAction(view, 'Collapse All');
    await workbench.waitForNoTreeRow(machine);
    await workbench.screenshot('k3-collapsed');
    await workbench.runCommand('VM Checkpoints: Show Engine Information');
    await workbench.quickPickItems();
    await workbench.cancelQuickInput();
    await workbench.reload();
    await workbench.openView(view);
    assert.equal((await workbench.treeRow(/^Host Local/)).isExpanded, false);
    await workbench.expandRow(/^Host Local/);
    assert.equal((await workbench.treeRow(machine)).isExpanded, false);
    await workbench.expandRow(machine);
    assert.equal((await workbench.treeRow(/^Trash of/)).isExpanded, false);
    assert.equal((await workbench.treeRow(/^Checkpoint fourth/)).isExpanded, false);
  });

  it('no machine → one button, and what else can be done as links in sentences', async () => {
    await run('remove-machine', machine);
    const welcome = workbench.page.locator('.part.sidebar .welcome-view-content');
    await welcome.getByText('No machines yet').waitFor({ timeout: 40_000 });
    assert.equal(await welcome.locator('.monaco-button').count(), 1);
    assert.equal(await welcome.locator('.monaco-button').textContent(), 'Create Machine');
    await workbench.screenshot('k2-welcome');
  });
});
