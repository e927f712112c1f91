import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runCkpt } from '../support/ckpt.ts';
import { EditorSession } from '../support/editor-session.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

describe('what `ckpt` does, by clicks', () => {
  let session: EditorSession;
  let workbench: Workbench;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'ckpt-verbs-'));
    session = await EditorSession.open(path.join(import.meta.dirname, 'workspace'), async ({ ckpt }) => {
      await ckpt.run('createMachine', ['create-machine', 'web', '--image', 'playground']);
      await ckpt.run('take', ['take', 'web', 'first']);
    });
    workbench = session.workbench;
    await workbench.openView('VM Checkpoints');
    await workbench.treeRow(['web', 'first']);
  });
  after(async () => {
    await session.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const report = async (text: RegExp): Promise<void> => {
    await workbench.webview().locator('body', { hasText: text }).waitFor({ timeout: 30_000 });
    // It takes the focus as soon as it can, and what is asked in a quick pick until then goes away.
    await workbench.page
      .waitForFunction('document.activeElement?.tagName === "IFRAME"', undefined, { timeout: 10_000 })
      .catch(() => undefined);
  };

  it('clone, in steps, from the palette → another machine', async () => {
    await workbench.runCommand('VM Checkpoints: Clone…');
    await workbench.quickPick('web');
    await workbench.quickPick('Now');
    await workbench.screenshot('50-clone-kind');
    await workbench.quickPick('Linked');
    await workbench.waitForQuickInputValue(/^web-2$/);
    await assert.rejects(workbench.quickInput('web'), /There is a machine “web” already/);
    await workbench.quickInput('copy');
    await workbench.waitForNotification('Created “copy”.');
    await workbench.treeRow(['Local (QEMU)', 'copy']);
    await workbench.clearNotifications();
  });

  it('flatten → the clone stands alone', async () => {
    await workbench.contextMenu('copy', 'Flatten (Make Independent)…');
    await workbench.clickDialogButton('Flatten');
    await workbench.waitForNotification(/“copy” (now stands alone|needed nothing)/, 60_000);
    await workbench.clearNotifications();
  });

  it('move → the machine lies in the other folder, and comes back', async () => {
    const elsewhere = path.join(folder, 'elsewhere');
    await mkdir(elsewhere);
    await workbench.contextMenu('copy', 'Move Machine…');
    await workbench.chooseFile(elsewhere);
    await workbench.waitForNotification(`Moved “copy” to ${path.join(elsewhere, 'copy')}`, 60_000);
    await access(path.join(elsewhere, 'copy', 'now.json'));
    await assert.rejects(access(session.home.machineFolder('copy')));
    await workbench.treeRow(['Local (QEMU)', 'copy']);
    await workbench.clearNotifications();

    await workbench.runCommand('VM Checkpoints: Move Machine…');
    await workbench.quickPick('copy');
    await workbench.screenshot('59-move-back');
    await workbench.quickPick('Back to where machines are kept');
    await workbench.waitForNotification(`Moved “copy” to ${session.home.machineFolder('copy')}`, 60_000);
    await access(session.home.machineFolder('copy'));
    await workbench.clearNotifications();
  });

  it('export the machine → import it under another name', async () => {
    await workbench.contextMenu('web', 'Export Machine…');
    await workbench.chooseFile(folder);
    await workbench.quickInput('exported');
    await workbench.waitForNotification(/Exported .* to/, 60_000);
    await access(path.join(folder, 'exported'));
    await workbench.runCommand('VM Checkpoints: Import Machine…');
    await workbench.chooseFile(path.join(folder, 'exported'));
    await workbench.quickInput('imported');
    await workbench.waitForNotification('Created “imported”.', 60_000);
    await workbench.treeRow(['imported', 'first']);
    await workbench.clearNotifications();
  });

  it('export the disks of a checkpoint in the format that is chosen', async () => {
    await workbench.contextMenu(['web', 'first'], 'Export Disks…');
    await workbench.quickPick('VHDX');
    await workbench.chooseFile(folder);
    await workbench.quickInput('disks');
    await workbench.waitForNotification(/Exported .* to/, 60_000);
    await workbench.clearNotifications();
  });

  it('a group: take → apply → delete → Undo', async () => {
    await workbench.runCommand('VM Checkpoints: Take Group Checkpoint…');
    await workbench.quickPickMany(['web', 'copy']);
    await workbench.quickInput('together');
    await workbench.waitForNotification(/Took checkpoint “together” of .* together/);
    await workbench.treeRow(['Groups', 'together']);
    await workbench.screenshot('51-group');
    await workbench.clickInlineAction(['Groups', 'together'], /Apply Group/);
    await workbench.clickDialogButton('Apply');
    await workbench.waitForNotification(/Applied “together” to/);
    await workbench.contextMenu(['Groups', 'together'], 'Delete Group…');
    await workbench.clickDialogButton('Delete');
    await workbench.waitForNoTreeRow('Groups');
    await workbench.clickNotificationButton(/Deleted “together”/, 'Undo');
    await workbench.treeRow(['Groups', 'together']);
    await workbench.clearNotifications();
  });

  it('the retention policy: rules, preview, prune', async () => {
    for (const name of ['second', 'third']) {
      await session.home.ckpt.run('take', ['take', 'imported', name]);
    }
    await workbench.contextMenu('imported', 'Retention Policy…');
    await workbench.quickPick('The newest');
    await assert.rejects(workbench.quickInput('0'), /whole number from 1/);
    await workbench.quickInput('1');
    await workbench.quickPick('Delete named checkpoints, too');
    await workbench.screenshot('52-policy');
    await workbench.quickPick(/Save/);
    await workbench.waitForNotification(/By these rules .* are to be deleted/);
    await workbench.clickNotificationButton(/By these rules/, /Preview/);
    await report(/To be deleted/);
    await workbench.screenshot('53-preview');
    await workbench.clickNotificationButton(/are to be deleted for good/, /Delete/);
    await workbench.clickDialogButton('Delete for Good');
    await workbench.waitForNoTreeRow(['imported', 'first']);
    await workbench.clearNotifications();
  });

  it('space, as a document', async () => {
    await workbench.contextMenu('web', 'Show Space');
    await report(/Deleting it frees/);
    await workbench.screenshot('54-space');
  });

  it('free space → the question names what goes → what the apply kept is gone', async () => {
    await workbench.runCommand('VM Checkpoints: Free Space…');
    await workbench.quickPick('web');
    assert.match((await workbench.modalDialog()).detail, /“web”: kept by apply and undo “Before applying “together””/);
    await workbench.screenshot('58-free-space');
    await workbench.clickDialogButton('Free Space');
    await workbench.waitForNotification(/ freed\./);
    await workbench.waitForNoTreeRow(['web', /^Before applying/]);
    await workbench.clearNotifications();
  });

  it('merge hidden layers → says what could be merged', async () => {
    await workbench.contextMenu('web', 'Merge Hidden Layers');
    await workbench.waitForNotification('“web” has no layers that can be merged away now.');
    await workbench.clearNotifications();
  });

  it('problems: a file that nothing names is found → repaired with consent', async () => {
    await writeFile(path.join(session.home.machineFolder('web'), 'layers', 'stray.qcow2'), 'stray');
    await workbench.contextMenu('web', 'Check for Problems…');
    await workbench.quickPick('Quick');
    await report(/stray\.qcow2/);
    await workbench.screenshot('55-problems');
    await workbench.clickNotificationButton(/problem/, 'Repair…');
    await workbench.clickDialogButton('Repair');
    await workbench.waitForNotification('Nothing is wrong any more');
    await report(/Repaired\./);
    await workbench.clearNotifications();
  });

  it('compare, from the menu of a checkpoint → a document says in what they differ', async () => {
    await workbench.contextMenu(['web', 'first'], 'Compare with…');
    await workbench.quickPick('together');
    await report(/The settings are the same\./);
    await workbench.screenshot('60-compare');
  });

  it('Show Command… of a checkpoint has compare, that of a machine its group', async () => {
    await workbench.contextMenu(['web', 'first'], 'Show Command…');
    await workbench.quickPick('Compare');
    await workbench.waitForNotification("Copied: ckpt compare web first 'other checkpoint'");
    await workbench.clearNotifications();
    await workbench.contextMenu('web', 'Show Command…');
    await workbench.fillQuickInput('Move to Group');
    await workbench.quickPick('Move to Group');
    await workbench.waitForNotification('Copied: ckpt set-group web group');
    await workbench.clearNotifications();
  });

  it('Show Command… → the command line is copied', async () => {
    await workbench.contextMenu('web', 'Show Command…');
    await workbench.fillQuickInput('Flatten');
    await workbench.quickPick('Flatten');
    await workbench.waitForNotification('Copied: ckpt flatten web');
    assert.equal(await workbench.clipboardText(), 'ckpt flatten web');
    await workbench.clearNotifications();
  });

  it('a job whose process was killed is shown as interrupted → Resume → it is done', async () => {
    const [source, target] = [path.join(folder, 'big.raw'), path.join(folder, 'big.vmdk')];
    await writeFile(source, randomBytes(200 * 1024 * 1024));
    const converting = runCkpt(session.home.folder, [
      'disk',
      'convert',
      source,
      target,
      '--from',
      'raw',
      '--to',
      'vmdk',
      '--stream-optimized',
    ]);
    const pid = await until(
      'the job to begin',
      async () => {
        const { jobs } = await session.home.ckpt.run('jobs', ['jobs']);
        return jobs.find(({ state }) => state === 'running')?.pid;
      },
      { timeoutMilliseconds: 30_000 },
    );
    process.kill(pid, 'SIGKILL');
    await converting;
    await workbench.treeRow(/^Interrupted: Convert disk/);
    await workbench.screenshot('56-interrupted');
    await workbench.clickInlineAction(/^Interrupted: Convert disk/, /Resume/);
    await workbench.waitForTreeState(/^(Convert disk|Job under way)/, /\d+ %/);
    await workbench.screenshot('57-under-way', { settle: false });
    await until(
      'the resumed job to end, and to leave the tree',
      async () => !(await workbench.treeRows()).some(({ label }) => label.includes('Convert disk')),
      { timeoutMilliseconds: 180_000, intervalMilliseconds: 500 },
    );
    const { jobs } = await session.home.ckpt.run('jobs', ['jobs']);
    assert.deepEqual(
      jobs.map(({ state }) => state),
      ['done'],
    );
  });
});
