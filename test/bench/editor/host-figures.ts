import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { codeServerFolder, projectFolder } from '../../support/project.ts';
import { bundleSuite, runExtensionHostSuite } from '../../support/vscode/extension-host.ts';
import { installCodeServer } from '../../support/vscode/install.ts';

const figures = z.object({ activationMs: z.number(), engineMs: z.number(), heapBytes: z.number() });

const manifest = z.object({ publisher: z.string(), name: z.string() });

export type HostFigures = z.infer<typeof figures>;

/**
 * One activation in an extension host of its own: until the extension has activated, until the engine has answered with all
 * machines, and what the extension host holds more than before.
 * @param extensionFolder of the extension that is measured; of another one, only its activation is
 */
export async function hostFigures(folder: string, home: string, extensionFolder = projectFolder): Promise<HostFigures> {
  const suiteFile = path.join(folder, 'suite.cjs');
  await bundleSuite(path.join(import.meta.dirname, 'host-suite.ts'), suiteFile);
  const workspaceFolder = await mkdtemp(path.join(folder, 'workspace-'));
  await mkdir(path.join(workspaceFolder, '.vscode'));
  const report = await runExtensionHostSuite({
    codeServer: await installCodeServer('4.139.1', codeServerFolder, console.log),
    extensionFolder,
    suiteFile,
    workspaceFolder,
    reportFile: path.join(workspaceFolder, 'figures.json'),
    env: { VM_CHECKPOINTS_HOME: home, BENCH_EXTENSION: await idOf(extensionFolder) },
    log: () => undefined,
  });
  return figures.parse(JSON.parse(report));
}

async function idOf(extensionFolder: string): Promise<string> {
  const { publisher, name } = manifest.parse(
    JSON.parse(await readFile(path.join(extensionFolder, 'package.json'), 'utf8')),
  );
  return `${publisher}.${name}`;
}
