// npm start: sets everything up and opens a real VS Code on a demo workspace, with the extension in it and the machine
// `playground` in its tree.

import { spawn } from 'node:child_process';
import path from 'node:path';
import { prepareDemoMachine } from './demo-machine.ts';
import { serveDemo } from './demo-window.ts';
import { demoWorkspace } from './demo-workspace.ts';
import { cacheFolder, projectFolder } from './project.ts';
import { build, packageExtension, requireQemu } from './set-up.ts';
import { nativeBuildPrograms, requirePrograms, SetUpError } from './system-programs.ts';
import { findDesktop } from './vscode/desktop.ts';

const log = (line: string): void => console.log(line);

async function start(): Promise<void> {
  await requireQemu(log);
  await build();
  const { engine } = await prepareDemoMachine(log);
  const workspaceFolder = await demoWorkspace(path.join(cacheFolder, 'demo-workspace'));
  log(`Machines are kept in ${engine.home.root}.`);
  const desktop = findDesktop(process.env, process.platform);
  if ('missing' in desktop) {
    log(`VS Code is served in the browser: ${desktop.missing}.`);
    await serveInBrowser(workspaceFolder);
  } else {
    openDesktop(desktop.executable, workspaceFolder);
  }
}

/** Apart from the user's own VS Code: settings and extensions of the demo's own. */
function openDesktop(executable: string, workspaceFolder: string): void {
  const data = path.join(cacheFolder, 'start');
  const args = [
    '--new-window',
    `--extensionDevelopmentPath=${projectFolder}`,
    `--user-data-dir=${path.join(data, 'desktop')}`,
    `--extensions-dir=${path.join(data, 'desktop-extensions')}`,
    '--disable-workspace-trust',
    workspaceFolder,
    path.join(workspaceFolder, 'README.md'),
  ];
  const child = spawn(executable, args, { detached: true, stdio: 'ignore' });
  child.once('error', (error) => {
    console.error(`VS Code could not be started: ${error.message}.`);
    process.exitCode = 1;
  });
  child.unref();
  log('VS Code opens. In its activity bar: VM Checkpoints. The README beside it has five steps to the first revert.');
}

async function serveInBrowser(workspaceFolder: string): Promise<void> {
  await packageExtension();
  await requirePrograms(nativeBuildPrograms, log);
  const server = await serveDemo({ workspaceFolder, dataFolder: path.join(cacheFolder, 'start/server'), log });
  log(`
VS Code is ready. Open this address in a browser on this computer:

    ${server.url}

In the activity bar on its left edge: VM Checkpoints. The README that opens has five steps to the first revert.
Press Ctrl+C to end it; machines keep running.`);
  await server.exited;
}

start().catch((error: unknown) => {
  console.error(error instanceof SetUpError ? error.message : error);
  process.exit(1);
});
