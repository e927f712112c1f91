import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { defaultHome } from '../../engine/store/home.ts';
import { demoMachine, prepareDemoMachine } from '../support/demo-machine.ts';
import { serveDemo } from '../support/demo-window.ts';
import { demoWorkspace } from '../support/demo-workspace.ts';
import { artifactsFolder } from '../support/project.ts';
import { TestHome } from '../support/test-home.ts';
import { startBrowser, type TestBrowser } from '../support/vscode/browser.ts';
import type { Server } from '../support/vscode/server.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const bootLimitMs = 60_000;

/** With nothing in it but what `npm start` puts there, and the home where the system's default has it. */
describe('the window that npm start opens', () => {
  let folder: string;
  let home: TestHome;
  let server: Server;
  let browser: TestBrowser;
  let workbench: Workbench;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'ckpt-start-'));
    delete process.env['VM_CHECKPOINTS_HOME'];
    process.env['XDG_DATA_HOME'] = folder;
    home = TestHome.at(defaultHome().root);
    await prepareDemoMachine(() => undefined);
    const workspaceFolder = await demoWorkspace(path.join(folder, 'workspace'));
    server = await serveDemo({ workspaceFolder, dataFolder: path.join(folder, 'data'), log: () => undefined });
    browser = await startBrowser();
    workbench = await browser.openWorkbench(server, { artifactsFolder });
  });
  after(async () => {
    await browser.close();
    await server.dispose();
    await home.remove();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  it('1. shows its steps, and the machine in the activity bar', async () => {
    await workbench.webview().getByRole('heading', { name: 'Five steps to the first revert' }).waitFor();
    await workbench.openView('VM Checkpoints');
    await workbench.treeRow(['Local (QEMU)', demoMachine]);
    await workbench.screenshot('95-npm-start');
  });

  it('2. Start, Open Console → a root shell in the machine', async () => {
    await workbench.clickInlineAction(demoMachine, /Start/);
    await workbench.waitForTreeState(demoMachine, /running/);
    await workbench.clickInlineAction(demoMachine, /Open Console/);
    await workbench.waitForTerminalText(`${demoMachine}:~#`, bootLimitMs);
  });

  it('3.–5. Take Checkpoint, rm -r, Revert → it is back; Undo → it is gone again', async () => {
    await workbench.clickInlineAction(demoMachine, /Take Checkpoint/);
    await workbench.quickInput('before experiment');
    await workbench.treeRow([demoMachine, 'before experiment', 'Now']);
    await workbench.typeInTerminal('rm -r /srv/project; clear; ls /srv | wc -l\n');
    await workbench.waitForTerminalText(/^0$/m);
    await workbench.clickInlineAction('Now', /Revert/);
    await workbench.clickDialogButton('Revert');
    await workbench.waitForNotification(/^Reverted/, bootLimitMs);
    await workbench.typeInTerminal('\nclear; ls /srv\n');
    await workbench.waitForTerminalText(/^project$/m);
    await workbench.clickNotificationButton(/^Reverted/, 'Undo');
    await workbench.waitForNotification(/^Undone/, bootLimitMs);
    await workbench.typeInTerminal('\nclear; ls /srv | wc -l; echo asked\n');
    await workbench.waitForTerminalText(/^0\s+asked$/m);
  });

  it('the task “risky install” → takes its checkpoint first', async () => {
    await workbench.runCommand('Tasks: Run Task');
    await workbench.quickPick('risky install');
    await workbench.treeRow('before risky install');
    await workbench.waitForTerminalText(/Here something risky would happen/);
    const { machine } = await home.ckpt.run('show', ['show', demoMachine]);
    assert.ok(machine.checkpoints.some(({ name }) => name === 'before risky install'));
  });
});
