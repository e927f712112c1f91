import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { engineOf } from '../support/faults/stopped-lab.ts';
import { EditorSession } from '../support/editor-session.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'shared';
const pieceBytes = 16 * 1024 * 1024;
const diskBytes = 48 * pieceBytes;

describe('windows that come and go', () => {
  let folder: string;
  let session: EditorSession;
  let workbench: Workbench;
  let other: Workbench;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'ckpt-windows-'));
    const disk = path.join(folder, 'bulk.raw');
    const handle = await open(disk, 'wx');
    const piece = randomBytes(pieceBytes);
    for (let at = 0; at < diskBytes; at += pieceBytes) {
      await handle.write(piece, 0, pieceBytes, at);
    }
    await handle.close();
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt }) => {
      await ckpt.run('addMachine', ['add', machine, '--disk', disk, '--format', 'raw']);
      await ckpt.run('take', ['take', machine, 'first']);
    });
    workbench = session.workbench;
    other = await session.openWindow();
    for (const window of [workbench, other]) {
      await window.openView('VM Checkpoints');
      await window.treeRow([machine, 'first', 'Now']);
    }
  });
  after(async () => {
    await session.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const names = async (): Promise<string[]> =>
    (await session.home.ckpt.run('show', ['show', machine])).machine.checkpoints.map(({ name }) => name);

  it('what one window does, the other shows', async () => {
    await workbench.clickInlineAction(machine, /Take Checkpoint/);
    await workbench.quickInput('by the first');
    await other.treeRow([machine, 'by the first']);
    await other.clickInlineAction('Now', /Revert/);
    await other.clickDialogButton('Revert');
    await workbench.treeRow([machine, 'Before applying “by the first”']);
    await workbench.screenshot('90-first-window');
  });

  it('both at the same moment → one after the other, and both see both', async () => {
    for (const window of [workbench, other]) {
      await window.clickInlineAction(machine, /Take Checkpoint/);
    }
    await Promise.all([workbench.quickInput('left'), other.quickInput('right')]);
    for (const window of [workbench, other]) {
      await window.treeRow('left');
      await window.treeRow('right');
    }
    assert.deepEqual((await names()).filter((name) => ['left', 'right'].includes(name)).toSorted(), ['left', 'right']);
  });

  it('the window is reloaded in the middle of a job → the job goes on, and the new window shows it', async () => {
    await workbench.contextMenu([machine, 'first'], 'Export Disks…');
    await workbench.quickPick('VMDK');
    await workbench.chooseFile(folder);
    const engine = engineOf(session.home.folder);
    await workbench.quickInput('exported');
    const pid = await until(
      async () => {
        const told = (await workbench.notifications()).map(({ message }) => message);
        return `the job to begin; jobs: ${JSON.stringify((await engine.jobs.jobs()).jobs)}; told: ${told.join(' | ')}`;
      },
      async () => {
        // A process of its own for each look would take longer than the job.
        const { jobs } = await engine.jobs.jobs();
        return jobs.find(({ state }) => state === 'running')?.pid;
      },
      { timeoutMilliseconds: 30_000, intervalMilliseconds: 10 },
    );
    process.kill(pid, 'SIGSTOP');
    await workbench.page.reload();
    await workbench.waitForTreeState(/^Export/, /Job under way/);
    await workbench.treeRow([machine, 'first']);
    await workbench.screenshot('91-reloaded', { settle: false });
    process.kill(pid, 'SIGCONT');
    await until(
      'the job to end, and to leave both trees',
      async () => {
        const rows = [...(await workbench.treeRows()), ...(await other.treeRows())];
        return !rows.some(({ ariaLabel }) => /Job under way/.test(ariaLabel));
      },
      { timeoutMilliseconds: 120_000, intervalMilliseconds: 200 },
    );
    const { jobs } = await session.home.ckpt.run('jobs', ['jobs']);
    assert.deepEqual(
      jobs.map(({ state }) => state),
      ['done'],
    );
    assert.deepEqual((await readdir(folder)).toSorted(), ['bulk.raw', 'exported']);
  });
});
