import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { artifactsFolder, codeServerFolder, projectFolder } from '../support/project.ts';
import { TestHome } from '../support/test-home.ts';
import { runDesktopSuite } from '../support/vscode/desktop.ts';
import { bundleSuite, runExtensionHostSuite } from '../support/vscode/extension-host.ts';
import { installCodeServer } from '../support/vscode/install.ts';

describe('the extension-host suite', () => {
  let folder: string;
  let suiteFile: string;
  let home: TestHome;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'ckpt-suite-'));
    suiteFile = path.join(folder, 'suite.cjs');
    await bundleSuite(path.join(import.meta.dirname, 'extension-host/suite.ts'), suiteFile);
    await mkdir(artifactsFolder, { recursive: true });
  });
  after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  /** Everything but the VS Code to run in. */
  const prepare = async (name: string): Promise<Parameters<typeof runDesktopSuite>[0]> => {
    home = await TestHome.withGuest();
    await home.ckpt.run('createMachine', ['create-machine', 'playground', '--image', 'playground']);
    const workspaceFolder = path.join(folder, name);
    await mkdir(workspaceFolder);
    return {
      extensionFolder: projectFolder,
      suiteFile,
      workspaceFolder,
      reportFile: path.join(artifactsFolder, `extension-host-${name}.txt`),
      env: { VM_CHECKPOINTS_HOME: home.folder },
      log: () => undefined,
    };
  };

  for (const [version, what] of [
    ['4.103.2', 'the oldest supported VS Code (1.103)'],
    ['4.139.1', 'the newest VS Code (1.139)'],
  ] as const) {
    it(`passes in ${what}`, async (context) => {
      const suite = await prepare(version);
      try {
        const codeServer = await installCodeServer(version, codeServerFolder, console.log);
        context.diagnostic(await runExtensionHostSuite({ ...suite, codeServer }));
      } finally {
        await home.remove();
      }
    });
  }

  it('passes in the VS Code of this desktop, through @vscode/test-electron', async (context) => {
    const suite = await prepare('desktop');
    try {
      const outcome = await runDesktopSuite(suite);
      if ('skipped' in outcome) {
        context.skip(outcome.skipped);
      } else {
        context.diagnostic(outcome.report);
      }
    } finally {
      await home.remove();
    }
  });
});
