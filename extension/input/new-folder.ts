import path from 'node:path';
import * as vscode from 'vscode';
import { nameProblemText } from '../naming/name-input.ts';
import { machineNameProblem } from '../naming/names.ts';

/** A folder that is not there yet, in one that is. */
export async function askNewFolder(title: string, name: string): Promise<string | undefined> {
  const [parent] =
    (await vscode.window.showOpenDialog({
      canSelectFiles: false,
      canSelectFolders: true,
      openLabel: vscode.l10n.t('Choose Folder'),
      title: vscode.l10n.t('{0}: into which folder?', title),
    })) ?? [];
  if (parent === undefined) {
    return undefined;
  }
  const present = new Set((await vscode.workspace.fs.readDirectory(parent)).map(([entry]) => entry.toLowerCase()));
  const typed = await vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t('Name of the new folder in {0}', parent.fsPath),
    value: free(present, name),
    validateInput: (value) =>
      present.has(value.trim().toLowerCase())
        ? vscode.l10n.t('There is “{0}” already.', value.trim())
        : nameProblemText(machineNameProblem(value)),
  });
  return typed === undefined ? undefined : path.join(parent.fsPath, typed.trim());
}

function free(present: ReadonlySet<string>, wanted: string): string {
  let name = wanted;
  for (let number = 2; present.has(name.toLowerCase()); number += 1) {
    name = `${wanted}-${number}`;
  }
  return name;
}
