import * as vscode from 'vscode';
import { agreesToDisconnect } from '../../operations/own-connection.ts';
import { perform } from '../../operations/perform.ts';
import { formatDuration } from '../../presentation/duration.ts';
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
      done: ({ machine: { name }, totalMs }) => {
        void vscode.window.showInformationMessage(
          vscode.l10n.t('Redone: “{0}” is again what it was before the undo. ({1})', name, formatDuration(totalMs)),
        );
      },
    })
  );
};
