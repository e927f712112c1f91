import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import { engineOf, writeToNow } from '../support/faults/stopped-lab.ts';
import { engineFile } from '../support/project.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';
const command = ['make', 'install'];

describe('guards in the tree', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt, folder }) => {
      await ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
      const { guards, service } = engineOf(folder);
      const { checkpoint } = await guards.guardBegin({ machine, command }, {});
      await writeToNow((await service.show({ machine })).machine, 9, 1_000_000, 4096, [folder]);
      await guards.guardEnd({ machine, checkpoint: checkpoint.id, end: { exitCode: 0 }, outcome: 'keep' }, {});
    });
    workbench = session.workbench;
    await workbench.openView('VM Checkpoints');
    await workbench.treeRow(machine);
  });
  after(() => session.close());

  it('a guarded command is one step, with the checkpoints before and after it inside', async () => {
    const wanted = [machine, 'make install', 'before make install', 'after make install', 'Now'];
    let labels: string[] = [];
    await until(
      () => `the rows ${wanted.join(' | ')}; there are ${labels.join(' | ')}`,
      async () => {
        labels = (await workbench.treeRows()).map(({ label }) => label).slice(1);
        return labels.join() === wanted.join();
      },
      { timeoutMilliseconds: 60_000 },
    );
    await workbench.screenshot('15-guard');
  });

  it('a guard that was killed → its checkpoint says so; End Interrupted Guard…, Revert', async () => {
    const child = spawn(
      process.execPath,
      [
        engineFile,
        'guard',
        machine,
        '--',
        process.execPath,
        '-e',
        'console.log(process.pid); setTimeout(() => {}, 60_000)',
      ],
      { env: { ...process.env, VM_CHECKPOINTS_HOME: session.home.folder }, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const said = await new Promise((resolve, reject) => {
      child.stdout.once('data', resolve);
      child.once('exit', (code) => reject(new Error(`the guard ended with ${String(code)}, and had run nothing`)));
    });
    child.kill('SIGKILL');
    process.kill(Number(String(said)), 'SIGKILL');
    await workbench.runCommand('VM Checkpoints: Refresh');
    await workbench.waitForTreeState(/^before node -e/, /guard was interrupted/);
    await workbench.screenshot('16-guard-interrupted');
    await workbench.contextMenu(/^before node -e/, 'End Interrupted Guard…');
    await workbench.clickDialogButton('Revert');
    await until(
      'the guard to be ended',
      async () => (await session.home.ckpt.run('show', ['show', machine])).machine.guards === undefined,
      { timeoutMilliseconds: 60_000 },
    );
    const { checkpoints } = (await session.home.ckpt.run('show', ['show', machine])).machine;
    assert.ok(checkpoints.some(({ guard }) => guard?.end?.outcome === 'reverted'));
  });
});
