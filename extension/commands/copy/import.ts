import path from 'node:path';
import * as vscode from 'vscode';
import { perform } from '../../operations/perform.ts';
import type { CommandHandler } from '../command.ts';
import { freeName, machineNameQuestion, tellCreated } from '../machine/new-machine.ts';

/** Makes a machine of an exported one, which stays. */
export const importMachine: CommandHandler = async (context) => {
  const [folder] =
    (await vscode.window.showOpenDialog({
      canSelectFiles: false,
      canSelectFolders: true,
      openLabel: vscode.l10n.t('Import'),
      title: vscode.l10n.t('Choose the folder of an exported machine'),
    })) ?? [];
  if (folder === undefined) {
    return undefined;
  }
  const { prompt, value, problem } = machineNameQuestion(
    context,
    freeName(context.machines.machines, path.basename(folder.fsPath)),
  );
  const typed = await vscode.window.showInputBox({
    title: vscode.l10n.t('Import Machine'),
    prompt,
    value,
    validateInput: problem,
  });
  const name = typed?.trim();
  return name === undefined
    ? undefined
    : perform(context, {
        name: 'import',
        params: { folder: folder.fsPath, name },
        title: vscode.l10n.t('Importing “{0}”…', name),
        done: ({ machine }) => tellCreated(machine, undefined),
      });
};
