import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { MachineFolder } from '../../engine/store/machine-folder.ts';
import { EditorSession } from '../support/editor-session.ts';
import { engineOf } from '../support/faults/stopped-lab.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const view = 'VM Checkpoints';
const machine = 'marked';
/** Of a row whose children are marked (`circle-small-filled` of VS Code’s icons). */
const dot = '\uea71';
const hostile = '**bold** [link](command:workbench.action.quit) <img src=x> | `cell`';

describe('what the tree marks, counts, and says when somebody points at it', () => {
  let folder: string;
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'ckpt-marks-'));
    const disk = path.join(folder, 'bulk.raw');
    await writeFile(disk, randomBytes(256 * 1024 * 1024));
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt }) => {
      await ckpt.run('addMachine', ['add', machine, '--disk', disk, '--format', 'raw']);
      await ckpt.run('take', ['take', machine, 'first', '--notes', hostile]);
      await ckpt.run('take', ['take', machine, 'second']);
      await ckpt.run('annotate', ['annotate', machine, 'first', '--pin']);
    });
    workbench = session.workbench;
    await workbench.openView(view);
    await workbench.treeRow([machine, 'second', 'Now']);
  });
  after(async () => {
    await session.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const decorationIs = async (address: Parameters<Workbench['rowDecoration']>[0], wanted: string): Promise<void> => {
    let shown = '';
    await until(
      () => `“${wanted}” at ${String(address)}, where “${shown}” is`,
      async () => (shown = await workbench.rowDecoration(address)) === wanted,
      { timeoutMilliseconds: 30_000 },
    );
  };
  const badgeIs = async (wanted: RegExp): Promise<void> => {
    let shown = '';
    await until(
      () => `the icon to say ${String(wanted)}, and not “${shown}”`,
      async () => wanted.test((shown = await workbench.viewBadge(view))),
      { timeoutMilliseconds: 30_000 },
    );
  };

  it('the checkpoint that Now grew from, and one that is pinned; the mark moves with Now, also when another program moves it', async () => {
    await decorationIs([machine, 'first'], 'P');
    await decorationIs([machine, 'second'], 'N');
    await decorationIs(machine, '');
    assert.equal(await workbench.viewBadge(view), '');
    assert.match((await workbench.treeRow([machine, 'second'])).ariaLabel, /Now grew from it$/);
    await workbench.screenshot('m0-marks');
    await session.home.ckpt.run('apply', ['apply', machine, 'first', '--discard-now']);
    await decorationIs([machine, 'first'], 'NP');
    await decorationIs([machine, 'second'], '');
  });

  it('the tooltip is made when somebody points at a row, and names mean nothing in it', async () => {
    const said = await workbench
      .rowTooltip([machine, 'first'], 'Takes alone')
      .then((text) => text.replaceAll(/\s/g, ' '));
    await workbench.screenshot('m1-tooltip', { settle: false, keepTooltip: true });
    assert.ok(said.includes(hostile), said);
    for (const part of [
      'Kind',
      'disks only',
      'Shares with others',
      'taken while stopped',
      'by a person',
      'ckpt',
      'just now',
    ]) {
      assert.ok(said.includes(part), `${part}: ${said}`);
    }
    assert.match(said, /Now grew from it · pinned/);
    const hover = workbench.page.locator('.monaco-hover:visible');
    assert.equal(await hover.locator('a, img, strong:has-text("bold")').count(), 0);
    await workbench.page.mouse.move(0, 0);
  });

  it('a job is counted while it runs; its process dies → the machine is marked, also when it is closed', async () => {
    const engine = engineOf(session.home.folder);
    // In this window the progress of its own work would hide the number.
    const exporting = session.home.ckpt.run('export', ['export', machine, path.join(folder, 'exported')]);
    exporting.catch(() => undefined);
    const pid = await until(
      'the job to begin',
      async () => (await engine.jobs.jobs()).jobs.find(({ state }) => state === 'running')?.pid,
      { timeoutMilliseconds: 30_000, intervalMilliseconds: 10 },
    );
    process.kill(pid, 'SIGSTOP');
    await workbench.treeRow(/^Job under way/);
    await workbench.screenshot('m5-running', { settle: false });
    await badgeIs(/^1 job running$/);
    process.kill(pid, 'SIGKILL');
    await workbench.treeRow(/^Interrupted job/);
    await assert.rejects(exporting);
    await badgeIs(/^1 interrupted job$/);
    await decorationIs(machine, '?');
    await workbench.collapseRow(machine);
    await workbench.waitForTreeState(machine, /a job was interrupted/);
    await workbench.screenshot('m2-interrupted');
    await workbench.expandRow(machine);
    const [job] = (await engine.jobs.jobs()).jobs;
    await session.home.ckpt.run('cancelJob', ['jobs', 'cancel', job?.id ?? '']);
    await decorationIs(machine, '');
    await badgeIs(/^$/);
  });

  it('a check finds a broken chain → its machine and the checkpoints that need it are marked, until it is whole', async () => {
    const { machine: shown } = await session.home.ckpt.run('show', ['show', machine]);
    const of = new MachineFolder(shown.folder);
    const layer = of.inner((await of.read()).checkpoints.find(({ name }) => name === 'second')?.layers['disk0'] ?? '');
    const elsewhere = path.join(of.path, 'away.qcow2');
    await rename(layer, elsewhere);
    await workbench.contextMenu(machine, 'Check for Problems…');
    await workbench.quickPick('Quick');
    await decorationIs([machine, 'second'], '!');
    await decorationIs([machine, 'first'], 'NP');
    await decorationIs(machine, '!');
    await badgeIs(/^1 machine with problems$/);
    await workbench.waitForTreeState([machine, 'second'], /broken/);
    await workbench.screenshot('m3-broken');
    await workbench.collapseRow(/^Host Local/);
    await decorationIs(/^Host Local/, dot);
    await workbench.screenshot('m4-collapsed');
    await workbench.expandRow(/^Host Local/);
    await rename(elsewhere, layer);
    // Whenever a machine changes, what was wrong with it is looked at again.
    await session.home.ckpt.run('annotate', ['annotate', machine, 'second', '--notes', 'mended']);
    await decorationIs([machine, 'second'], '');
    await decorationIs(machine, '');
    await badgeIs(/^$/);
  });
});
