import * as vscode from 'vscode';
import { nameProblemText } from '../../naming/name-input.ts';
import { checkpointNameProblem } from '../../naming/names.ts';
import { perform } from '../../operations/perform.ts';
import type { CommandHandler } from '../command.ts';
import { isCheckpoint, pressedOn } from '../keys.ts';
import { askCheckpoint } from '../target.ts';

export const rename: CommandHandler = async (context, argument) => {
  const pressed = pressedOn(context, argument);
  if (pressed !== undefined && !isCheckpoint(pressed)) {
    vscode.window.setStatusBarMessage(vscode.l10n.t('Only checkpoints can be renamed.'), 5000);
    return undefined;
  }
  const target = await askCheckpoint(context, argument, 'rename', {
    machine: vscode.l10n.t('Rename a checkpoint of which machine?'),
    checkpoint: vscode.l10n.t('Rename which checkpoint?'),
  });
  if (target === undefined) {
    return undefined;
  }
  const { machine, checkpoint } = target;
  const typed = await vscode.window.showInputBox({
    title: vscode.l10n.t('Rename Checkpoint of “{0}”', machine.name),
    prompt: vscode.l10n.t('New name of the checkpoint'),
    value: checkpoint.name,
    validateInput: (value) => nameProblemText(checkpointNameProblem(value)),
  });
  const name = typed?.trim();
  return name === undefined || name === checkpoint.name
    ? undefined
    : perform(context, {
        name: 'rename',
        params: { machine: machine.name, checkpoint: checkpoint.id, name },
        title: vscode.l10n.t('Renaming checkpoint “{0}”…', checkpoint.name),
      });
};
