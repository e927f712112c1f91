/** Puts `ckpt` on the PATH of VS Code's terminals, working on the same machines as the tree. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { chosenPaths, engineProgram, engineSettings } from '../engine/environment.ts';
import { posixShim, windowsShim } from './shims.ts';

export function prepareTerminals(extension: vscode.ExtensionContext, log: vscode.LogOutputChannel): vscode.Disposable {
  const folder = vscode.Uri.joinPath(extension.globalStorageUri, 'bin').fsPath;
  const { node, script } = engineProgram(extension.extensionUri);
  const variables = extension.environmentVariableCollection;
  variables.description = vscode.l10n.t('Adds the command `ckpt` of VM Checkpoints');

  const setVariables = (): void => {
    variables.clear();
    variables.prepend('PATH', `${folder}${path.delimiter}`);
    variables.replace('VM_CHECKPOINTS_NODE', node);
    for (const [name, value] of Object.entries(chosenPaths())) {
      variables.replace(name, value);
    }
  };
  writeShims(folder, script).then(setVariables, (error: unknown) => {
    log.warn('The command ckpt could not be put on the PATH of terminals', error);
  });
  return vscode.workspace.onDidChangeConfiguration((event) => {
    if (engineSettings.some((id) => event.affectsConfiguration(id))) {
      setVariables();
    }
  });
}

async function writeShims(folder: string, script: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const posix = path.join(folder, 'ckpt');
  await writeFile(posix, posixShim(script));
  await chmod(posix, 0o755);
  await writeFile(path.join(folder, 'ckpt.cmd'), windowsShim(script));
}
