import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const count = 60;

describe('a long history', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt }) => {
      await ckpt.run('createMachine', ['create-machine', 'long', '--image', 'playground']);
      for (let number = 1; number <= count; number += 1) {
        await ckpt.run('take', ['take', 'long', `step ${number}`]);
        if (number === 5) {
          await ckpt.run('take', ['take', 'long', 'attempt 1']);
          await ckpt.run('take', ['take', 'long', 'attempt 1, further']);
          await ckpt.run('apply', ['apply', 'long', 'step 5', '--discard-now']);
        }
      }
    });
    workbench = session.workbench;
    await workbench.openView('VM Checkpoints');
  });
  after(() => session.close());

  it('a line of checkpoints keeps its level, branches are indented', async () => {
    await workbench.treeRow(['step 5', 'attempt 1']);
    await workbench.treeRow('step 9');
    await workbench.screenshot('40-long');
    const levels = new Map((await workbench.treeRows()).map(({ label, level }) => [label, level]));
    assert.equal(levels.get('step 5'), levels.get('step 1'));
    assert.equal(levels.get('attempt 1'), (levels.get('step 5') ?? 0) + 1);
    assert.equal(levels.get('step 6'), levels.get('attempt 1'));
    assert.equal(levels.get('step 9'), levels.get('step 7'));
    assert.match((await workbench.treeRow('step 3')).ariaLabel, /grown from step 2/);
  });

  it('the keyboard reaches the end, where Now is', async () => {
    await workbench.clickRow('step 2');
    await workbench.page.keyboard.press('End');
    const { level } = await workbench.treeRow('Now');
    assert.equal(level, 6);
    await workbench.screenshot('41-end');
  });

  it('its picture: the keys reach both ends, and every point says where it hangs', async () => {
    await workbench.contextMenu('Now', 'Show Details');
    const page = workbench.webview();
    const selected = page.locator('[role=treeitem][aria-selected=true]');
    const inSight = async (name: string): Promise<void> => {
      await selected.filter({ hasText: name }).waitFor();
      const { y = -1 } = (await selected.boundingBox()) ?? {};
      assert.ok(y > 0 && y < 800, `${name} at ${y}`);
    };
    await inSight('Now');
    assert.equal(await page.getByRole('treeitem').count(), count + 3);
    // The keys go to the page once it has the focus.
    await selected.click();
    await workbench.page.keyboard.press('Home');
    await inSight('step 1');
    for (let step = 1; step < 5; step += 1) {
      await workbench.page.keyboard.press('ArrowDown');
    }
    await inSight('step 5');
    await workbench.page.keyboard.press('ArrowDown');
    await inSight('attempt 1');
    await workbench.page.keyboard.press('ArrowRight');
    await inSight('step 6');
    await workbench.page.keyboard.press('End');
    await inSight('Now');
    await workbench.screenshot('42-long-picture');
  });
});

describe('many machines', () => {
  const machines = Array.from({ length: 14 }, (_, at) => `machine-${at + 1}`);
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt }) => {
      for (const name of machines) {
        await ckpt.run('createMachine', ['create-machine', name, '--image', 'playground']);
      }
      await ckpt.run('take', ['take', 'machine-2', 'first']);
    });
    workbench = session.workbench;
    await workbench.openView('VM Checkpoints');
  });
  after(() => session.close());

  it('each begins closed, one line long; what is opened stays open when it changes', async () => {
    await workbench.treeRow('machine-14');
    await workbench.screenshot('43-many-machines');
    const rows = await workbench.treeRows();
    assert.deepEqual(
      rows.filter(({ isExpanded }) => isExpanded === false).map(({ label }) => label),
      machines,
    );
    await workbench.expandRow('machine-2');
    await workbench.treeRow(['machine-2', 'first']);
    await session.home.ckpt.run('take', ['take', 'machine-2', 'second']);
    await workbench.treeRow(['machine-2', 'second']);
  });
});
