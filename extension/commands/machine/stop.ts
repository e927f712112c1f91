import * as vscode from 'vscode';
import { agreesToDisconnect } from '../../operations/own-connection.ts';
import { perform } from '../../operations/perform.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

/** Asks the guest to shut down; when it does not answer, the error offers to force it off. */
export const stop: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'stop', vscode.l10n.t('Shut down which machine?'));
  return (
    machine &&
    (await agreesToDisconnect(machine, vscode.l10n.t('Shut down “{0}”?', machine.name), vscode.l10n.t('Shut Down'))) &&
    perform(context, {
      name: 'stop',
      params: { machine: machine.name },
      title: vscode.l10n.t('Shutting down “{0}”…', machine.name),
    })
  );
};
