import * as vscode from 'vscode';
import { connectionWarning } from '../../operations/own-connection.ts';
import { perform } from '../../operations/perform.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const reset: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'reset', vscode.l10n.t('Reset which machine?'));
  if (machine === undefined) {
    return undefined;
  }
  const button = vscode.l10n.t('Reset');
  const choice = await vscode.window.showWarningMessage(
    vscode.l10n.t('Reset “{0}”?', machine.name),
    {
      modal: true,
      detail: [
        connectionWarning(machine),
        vscode.l10n.t('This is like pressing its reset button: what the guest has not written to its disks is lost.'),
      ]
        .filter((one) => one !== undefined)
        .join('\n\n'),
    },
    button,
  );
  return choice === button
    ? perform(context, {
        name: 'reset',
        params: { machine: machine.name },
        title: vscode.l10n.t('Resetting “{0}”…', machine.name),
      })
    : undefined;
};
