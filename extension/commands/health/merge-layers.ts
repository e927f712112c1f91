/** Merges away the layers that no checkpoint needs any more, also while the machine runs. */
import * as vscode from 'vscode';
import { perform } from '../../operations/perform.ts';
import { formatSize } from '../../presentation/size.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const mergeLayers: CommandHandler = async (context, argument) => {
  const machine = await askMachine(
    context,
    argument,
    'mergeLayers',
    vscode.l10n.t('Merge hidden layers of which machine?'),
  );
  return (
    machine &&
    perform(context, {
      name: 'mergeLayers',
      params: { machine: machine.name },
      title: vscode.l10n.t('Merging hidden layers of “{0}”…', machine.name),
      done: ({ mergedLayers, freedBytes }) => {
        void vscode.window.showInformationMessage(
          mergedLayers === 0
            ? vscode.l10n.t('“{0}” has no layers that can be merged away now.', machine.name)
            : vscode.l10n.t('Layers of “{0}” are merged: {1} freed.', machine.name, formatSize(freedBytes)),
        );
      },
    })
  );
};
