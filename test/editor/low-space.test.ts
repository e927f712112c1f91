import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import { fillUp, smallVolume } from '../support/small-volume.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const mebibyte = 2 ** 20;
const name = 'web';

describe('a volume that running machines fill', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.ofMachine(name);
    workbench = session.workbench;
  });
  after(() => session.close());

  it('→ a warning that names the machine, with what to do; then, as the setting says, it is paused before there is no space', async (context) => {
    const { ckpt } = session.home;
    const stop = (): Promise<unknown> => ckpt.run('stop', ['stop', name, '--force']).catch(() => undefined);
    const volume = await smallVolume(context, 1024 * mebibyte, 'ext4', stop);
    if (volume === undefined) {
      return;
    }
    await ckpt.run('move', ['move', name, volume]);
    await ckpt.run('start', ['start', name]);
    await workbench.waitForTreeState(name, /running/);
    fillUp(volume, 80 * mebibyte);
    const warning = await workbench.waitForNotification(/ free.*“web”/, 60_000);
    assert.match(warning.message, new RegExp(path.basename(volume)));
    await workbench.screenshot('60-low-space', { settle: false });
    await workbench.clickNotificationButton(/ free.*“web”/, 'Show Space');
    await workbench
      .webview()
      .locator('body', { hasText: /Deleting it frees/ })
      .waitFor({ timeout: 30_000 });
    await workbench.clearNotifications();
    assert.equal((await ckpt.run('show', ['show', name])).machine.state, 'running');

    const settings = path.join(session.workspaceFolder, '.vscode', 'settings.json');
    await writeFile(settings, JSON.stringify({ 'vmCheckpoints.pauseWhenFull': true }));
    fillUp(volume, 15 * mebibyte);
    const paused = await workbench.waitForNotification(/Paused: “web”\./, 90_000);
    await workbench.screenshot('61-paused', { settle: false });
    assert.match(paused.message, /“web”/);
    await until(
      'the machine to stand still',
      async () => {
        const { machine } = await ckpt.run('show', ['show', name]);
        return machine.state === 'paused';
      },
      { timeoutMilliseconds: 30_000 },
    );
    await workbench.clickNotificationButton(/Paused: “web”\./, /Free Space/);
    await workbench.waitForNotification(/Nothing can go at once/);
  });
});
