import * as vscode from 'vscode';
import { connectionWarning } from '../../operations/own-connection.ts';
import { perform } from '../../operations/perform.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const forceStop: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'forceStop', vscode.l10n.t('Force off which machine?'));
  if (machine === undefined) {
    return undefined;
  }
  const forceOff = vscode.l10n.t('Force Off');
  const choice = await vscode.window.showWarningMessage(
    vscode.l10n.t('Force off “{0}”?', machine.name),
    {
      modal: true,
      detail: [
        connectionWarning(machine),
        vscode.l10n.t('This is like pulling the plug: what the guest has not written to its disks is lost.'),
      ]
        .filter((one) => one !== undefined)
        .join('\n\n'),
    },
    forceOff,
  );
  return choice === forceOff
    ? perform(context, {
        name: 'stop',
        params: { machine: machine.name, force: true },
        title: vscode.l10n.t('Forcing off “{0}”…', machine.name),
      })
    : undefined;
};
