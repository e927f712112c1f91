import * as vscode from 'vscode';
import { agreesToDisconnect } from '../../operations/own-connection.ts';
import { perform } from '../../operations/perform.ts';
import { redoneText } from '../../operations/told-afterwards.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const redo: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'redo', vscode.l10n.t('Redo what was undone of which machine?'));
  return (
    machine &&
    (await agreesToDisconnect(
      machine,
      vscode.l10n.t('Redo what was undone of “{0}”?', machine.name),
      vscode.l10n.t('Redo'),
    )) &&
    perform(context, {
      name: 'redo',
      params: { machine: machine.name },
      title: vscode.l10n.t('Redoing what was undone of “{0}”…', machine.name),
      done: (result) => {
        void vscode.window.showInformationMessage(redoneText(result, vscode.l10n));
      },
    })
  );
};
