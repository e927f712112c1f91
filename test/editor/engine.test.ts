import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EditorSession } from '../support/editor-session.ts';
import { inGuest } from '../support/guest.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';

describe('the engine process', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.ofMachine(machine);
    workbench = session.workbench;
  });
  after(() => session.close());

  it('its process id and log can be found', async () => {
    const [engine] = await session.engines();
    assert.ok(engine !== undefined);
    await workbench.runCommand('VM Checkpoints: Show Engine Information');
    await workbench.quickPickItems();
    const shown = await workbench.page.locator('.quick-input-list').innerText();
    assert.match(shown, new RegExp(`(?<!\\d)${engine}(?!\\d)`));
    assert.match(shown, /engine\.log/);
    await workbench.cancelQuickInput();
  });

  it('it is killed → the user is told, with Show Log and Restart; the tree stays; it is started again and works', async () => {
    const [before] = await session.engines();
    assert.ok(before !== undefined);
    process.kill(before, 'SIGKILL');
    const { buttons } = await workbench.waitForNotification(/engine/i);
    assert.deepEqual([...buttons].sort(), ['Restart', 'Show Log']);
    await workbench.screenshot('10-engine-died');
    await workbench.treeRow(machine);
    const [again] = await until(
      'another engine',
      async () => {
        const found = await session.engines();
        return found.length === 1 && found[0] !== before && found;
      },
      { timeoutMilliseconds: 30_000 },
    );
    assert.notEqual(again, before);
    await workbench.runCommand('VM Checkpoints: Take Checkpoint…');
    await workbench.quickPick(machine);
    await workbench.quickInput('after the crash');
    await workbench.treeRow('after the crash');
  });

  it('Restart Engine while memory is saved, which takes longer than an engine has to end → another one runs at once; the checkpoint is taken', async () => {
    await workbench.clickInlineAction(machine, /Start Machine/);
    await workbench.waitForTreeState(machine, /running/);
    await inGuest(session.home.folder, machine, (shell) => shell.run('echo in memory > /run/word'));
    const [before] = await session.engines();
    assert.ok(before !== undefined);
    const journal = path.join(session.home.machineFolder(machine), 'journal.json');
    const [hypervisor] = await session.home.processes();
    assert.ok(hypervisor !== undefined);
    const slowly = until('the take', () => existsSync(journal), {
      timeoutMilliseconds: 60_000,
      intervalMilliseconds: 2,
    }).then(() => nearlyStill(hypervisor, endLimitMs + 5000));
    await workbench.runCommand('VM Checkpoints: Take Checkpoint…');
    await workbench.quickPick(machine);
    await workbench.quickInput('through a restart');
    await workbench.runCommand('VM Checkpoints: Restart Engine');
    await workbench.waitForNotification(/The one before it ends once what it does has ended/);
    const both = await session.engines();
    assert.equal(both.length, 2);
    assert.ok(both.includes(before));
    await slowly;
    await workbench.treeRow('through a restart');
    await until('the engine before to end', async () => !(await session.engines()).includes(before), {
      timeoutMilliseconds: 30_000,
    });
    const { machine: found } = await session.home.ckpt.run('show', ['show', machine]);
    assert.deepEqual(
      found.checkpoints.filter(({ hasMemory }) => hasMemory).map(({ name }) => name),
      ['through a restart'],
    );
  });
});

/** What an engine that has nothing to do is given to end. */
const endLimitMs = 15_000;

/** Lets a process stand still, but for moments. */
async function nearlyStill(pid: number, forMs: number): Promise<void> {
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    process.kill(pid, 'SIGSTOP');
    await delay(3000);
    process.kill(pid, 'SIGCONT');
    await delay(20);
  }
}
