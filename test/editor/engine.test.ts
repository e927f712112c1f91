import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
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

  /** Engines that serve this session's home (proc(5)). */
  const engines = async (): Promise<number[]> => {
    const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const found = await Promise.all(
      processes.map(async (pid) => {
        const [commandLine, environment] = await Promise.all(
          ['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
        );
        const serves = commandLine?.includes('engine.js\0serve') === true;
        return serves && environment?.includes(`VM_CHECKPOINTS_HOME=${session.home.folder}\0`) === true
          ? [Number(pid)]
          : [];
      }),
    );
    return found.flat();
  };

  it('its process id and log can be found', async () => {
    const [engine] = await engines();
    assert.ok(engine !== undefined);
    await workbench.runCommand('VM Checkpoints: Show Engine Information');
    await workbench.quickPickItems();
    const shown = await workbench.page.locator('.quick-input-list').innerText();
    assert.match(shown, new RegExp(`(?<!\\d)${engine}(?!\\d)`));
    assert.match(shown, /engine\.log/);
    await workbench.cancelQuickInput();
  });

  it('it is killed → the user is told, with Show Log and Restart; the tree stays; it is started again and works', async () => {
    const [before] = await engines();
    assert.ok(before !== undefined);
    process.kill(before, 'SIGKILL');
    const { buttons } = await workbench.waitForNotification(/engine/i);
    assert.deepEqual([...buttons].sort(), ['Restart', 'Show Log']);
    await workbench.screenshot('10-engine-died');
    await workbench.treeRow(machine);
    const [again] = await until(
      'another engine',
      async () => {
        const found = await engines();
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
});
