import * as vscode from 'vscode';
import { checkpointSentence } from '../../machines/descriptions.ts';
import { perform } from '../../operations/perform.ts';
import { formatSize } from '../../presentation/size.ts';
import type { CommandHandler } from '../command.ts';
import { askCheckpoint } from '../target.ts';

export const deleteCheckpoint: CommandHandler = async (context, argument) => {
  const target = await askCheckpoint(context, argument, 'delete', {
    machine: vscode.l10n.t('Delete a checkpoint of which machine?'),
    checkpoint: vscode.l10n.t('Delete which checkpoint?'),
  });
  if (target === undefined) {
    return undefined;
  }
  const { machine, checkpoint } = target;
  const button = vscode.l10n.t('Delete');
  const choice = await vscode.window.showWarningMessage(
    vscode.l10n.t('Delete checkpoint “{0}” of “{1}”?', checkpoint.name, machine.name),
    {
      modal: true,
      detail: vscode.l10n.t(
        '{0}\n\nThis cannot be undone. Now, and the checkpoints below this one, stay as they are.',
        checkpointSentence(checkpoint),
      ),
    },
    button,
  );
  return choice === button
    ? perform(context, {
        name: 'delete',
        params: { machine: machine.name, checkpoint: checkpoint.id },
        title: vscode.l10n.t('Deleting checkpoint “{0}” of “{1}”…', checkpoint.name, machine.name),
        done: ({ deleted, freedBytes }) => {
          vscode.window.setStatusBarMessage(
            vscode.l10n.t('Deleted checkpoint “{0}”: {1} freed.', deleted.name, formatSize(freedBytes)),
            10_000,
          );
        },
      })
    : undefined;
};
