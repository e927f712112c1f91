import path from 'node:path';
import * as vscode from 'vscode';
import type { Params } from '../../../engine/protocol/operations.ts';
import { engineErrorFrom } from '../../engine/engine-error.ts';
import { askNewFolder } from '../../input/new-folder.ts';
import { perform } from '../../operations/perform.ts';
import type { CheckpointsContext } from '../../context.ts';
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
  if (name === undefined) {
    return undefined;
  }
  let params: Params<'import'> = { folder: folder.fsPath, name };
  if (await isForAnotherProgram(context, params)) {
    const disksFolder = await askNewFolder(vscode.l10n.t('Disks of “{0}”', name), name);
    if (disksFolder === undefined) {
      return undefined;
    }
    params = { ...params, disksFolder };
  }
  return perform(context, {
    name: 'import',
    params,
    title: vscode.l10n.t('Importing “{0}”…', name),
    done: ({ machine }) => tellCreated(machine, undefined),
  });
};

/** Whether the engine asks where the disks are to lie, because only the user knows where their program looks for them. */
async function isForAnotherProgram(context: CheckpointsContext, params: Params<'import'>): Promise<boolean> {
  try {
    await context.engine.request('plan', { operation: 'import', params: { ...params } });
    return false;
  } catch (error) {
    // Whatever else is wrong, the import itself tells, with its ways out.
    return engineErrorFrom(error).data['missing'] === 'disksFolder';
  }
}
