import { mkdir, mkdtemp, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { codeServerFolder, vsixFile } from '../../support/project.ts';
import { startBrowser } from '../../support/vscode/browser.ts';
import { installCodeServer } from '../../support/vscode/install.ts';
import { startServer } from '../../support/vscode/server.ts';
import type { Workbench } from '../../support/vscode/workbench.ts';
import { startEngine } from '../checkpoints/engine-client.ts';

export interface WindowFigures {
  /** From the click on the view's icon until a machine's row is drawn. */
  shownMs: number;
  /** From when VS Code began to activate the extension until then. */
  shownAfterActivationMs: number;
  /** From when another process was told that its change is done until the row says so, of several changes. */
  updatedMs: number[];
}

const machine = 'lab-0';
const changes = 5;

/** One window on a home of many machines, with the packaged extension. */
export async function windowFigures(folder: string, home: string): Promise<WindowFigures> {
  const workspaceFolder = await mkdtemp(path.join(folder, 'workspace-'));
  const artifactsFolder = path.join(workspaceFolder, 'artifacts');
  await mkdir(artifactsFolder);
  const server = await startServer({
    codeServer: await installCodeServer('4.139.1', codeServerFolder, console.log),
    workspaceFolder,
    extensions: [vsixFile],
    env: { VM_CHECKPOINTS_HOME: home },
    log: () => undefined,
  });
  const browser = await startBrowser();
  try {
    const workbench = await browser.openWorkbench(server, { artifactsFolder });
    // What VS Code itself does when it starts is not measured.
    await delay(5000);
    const shown = rowDrawn(workbench, machine);
    const clicked = Date.now();
    await workbench.openView('VM Checkpoints');
    const shownAt = await shown;
    const activatedAt = await activationOf(server.logFolder);
    await workbench.expandRow(['Local (QEMU)', machine]);
    await delay(1000);
    return {
      shownMs: shownAt - clicked,
      shownAfterActivationMs: shownAt - activatedAt,
      updatedMs: await updates(workbench, home),
    };
  } finally {
    await browser.close();
    await server.dispose();
  }
}

async function updates(workbench: Workbench, home: string): Promise<number[]> {
  const engine = await startEngine(home);
  const taken: number[] = [];
  try {
    for (let change = 0; change < changes; change++) {
      const { machine: before } = await engine.request('show', { machine });
      const name = `renamed ${Date.now()}`;
      const drawn = rowDrawn(workbench, name);
      // Until the page looks out for it.
      await delay(500);
      await engine.request('rename', { machine, checkpoint: before.checkpoints[0]?.id ?? '', name });
      const done = Date.now();
      taken.push(Math.max(0, (await drawn) - done));
    }
  } finally {
    await engine.stop();
  }
  return taken;
}

/** @returns when a row with this label was drawn, by the clock of this computer */
async function rowDrawn(workbench: Workbench, label: string): Promise<number> {
  const at: unknown = await workbench.page.evaluate(`new Promise((resolve) => {
    const labels = () => [...document.querySelectorAll('.part.sidebar [role=treeitem] .label-name')];
    const observer = new MutationObserver(() => {
      if (labels().some((one) => one.textContent === ${JSON.stringify(label)})) {
        observer.disconnect();
        requestAnimationFrame(() => resolve(Date.now()));
      }
    });
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
  })`);
  return z.number().parse(at);
}

/** When VS Code began to activate the extension, by its own log. */
async function activationOf(logFolder: string): Promise<number> {
  for (const name of await readdir(logFolder, { recursive: true })) {
    if (name.endsWith('remoteexthost.log')) {
      const found = /^(\S+ \S+) \[info\] ExtensionService#_doActivateExtension vm-checkpoints\.vm-checkpoints/m.exec(
        await readFile(path.join(logFolder, name), 'utf8'),
      );
      if (found?.[1] !== undefined) {
        return Date.parse(found[1]);
      }
    }
  }
  throw new Error('VS Code logs no activation of the extension.');
}
