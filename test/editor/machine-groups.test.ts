import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

describe('groups of machines', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt }) => {
      for (const name of ['database', 'mail', 'web']) {
        await ckpt.run('createMachine', ['create-machine', name, '--image', 'playground']);
      }
      await ckpt.run('take', ['take', 'web', 'first']);
    });
    workbench = session.workbench;
    await workbench.openView('VM Checkpoints');
    await workbench.treeRow(['web', 'first']);
  });
  after(() => session.close());

  const groupOf = async (machine: string): Promise<string | undefined> =>
    (await session.home.ckpt.run('show', ['show', machine])).machine.group;
  const pointOf = async (...address: string[]): Promise<{ x: number; y: number }> => {
    let before = '';
    const box = await until(
      `the row ${address.join(' > ')} to stay where it is`,
      async () => {
        const { elementId } = await workbench.treeRow(address);
        const found = await workbench.page.locator(`[id="${elementId}"] .label-name`).boundingBox();
        const [was, is] = [before, JSON.stringify([elementId, found])];
        before = is;
        return found !== null && is === was && found;
      },
      { timeoutMilliseconds: 40_000, intervalMilliseconds: 300 },
    );
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  };
  const drag = async (from: string[], to: string[]): Promise<void> => {
    const { mouse } = workbench.page;
    const [source, target] = [await pointOf(...from), await pointOf(...to)];
    await mouse.move(source.x, source.y);
    await mouse.down();
    await mouse.move(source.x + 5, source.y + 5, { steps: 3 });
    await mouse.move(target.x, target.y, { steps: 8 });
    await mouse.move(target.x + 2, target.y + 1, { steps: 3 });
    await mouse.up();
  };
  /** Again when the tree was drawn anew below the mouse, which ends a drag. */
  const dragUntil = ([machine]: [string], to: string[], group: string | undefined): Promise<unknown> =>
    until(
      `${machine} to be dragged to ${to.join(' > ')}`,
      async () => {
        await drag([machine], to);
        return until('it', async () => (await groupOf(machine)) === group, { timeoutMilliseconds: 8000 }).then(
          () => true,
          () => false,
        );
      },
      { timeoutMilliseconds: 60_000 },
    );

  it('from the menu, into a new group', async () => {
    await workbench.contextMenu('web', 'Move to Group…');
    await workbench.quickPick('New Group…');
    await assert.rejects(workbench.quickInput('a/b'), /slash/);
    await workbench.quickInput('servers');
    await workbench.treeRow(['Local (QEMU)', 'servers', 'web', 'first']);
    assert.match((await workbench.treeRow('servers')).ariaLabel, /^Group of machines servers, 1 machine/);
    assert.equal(await groupOf('web'), 'servers');
  });

  it('dragged onto the group → it is in it', async () => {
    await dragUntil(['mail'], ['servers'], 'servers');
    await workbench.treeRow(['servers', 'mail']);
    assert.equal(await groupOf('mail'), 'servers');
    await workbench.screenshot('a8-machine-groups');
  });

  it('a checkpoint is dropped nowhere, and a machine not onto a checkpoint', async () => {
    await drag(['web', 'first'], ['database']);
    await drag(['database'], ['web', 'first']);
    assert.deepEqual([await groupOf('database'), await groupOf('web')], [undefined, 'servers']);
    await workbench.treeRow(['Local (QEMU)', 'database']);
  });

  it('dragged onto the host → it is in none; another engine’s change is shown; an empty group goes', async () => {
    await dragUntil(['mail'], ['Local (QEMU)'], undefined);
    await workbench.treeRow(['Local (QEMU)', 'mail']);
    assert.equal(await groupOf('mail'), undefined);
    await session.home.ckpt.run('setGroup', ['set-group', 'web']);
    await workbench.waitForNoTreeRow('servers');
    await workbench.treeRow(['Local (QEMU)', 'web', 'first']);
  });

  it('several machines at once, from the menu', async () => {
    await workbench.clickRow('database');
    await workbench.page.keyboard.down('Control');
    await workbench.clickRow('mail');
    await workbench.page.keyboard.up('Control');
    await workbench.contextMenu('mail', 'Move to Group…');
    await workbench.quickPick('New Group…');
    await workbench.quickInput('backend');
    await until(
      'both to be in the group',
      async () => (await groupOf('database')) === 'backend' && (await groupOf('mail')) === 'backend',
      { timeoutMilliseconds: 40_000 },
    );
    await workbench.waitForTreeState('backend', /2 machines/);
  });
});
