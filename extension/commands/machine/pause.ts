import * as vscode from 'vscode';
import { agreesToDisconnect } from '../../operations/own-connection.ts';
import { perform } from '../../operations/perform.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const pause: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'pause', vscode.l10n.t('Pause which machine?'));
  return (
    machine &&
    (await agreesToDisconnect(machine, vscode.l10n.t('Pause “{0}”?', machine.name), vscode.l10n.t('Pause Machine'))) &&
    perform(context, {
      name: 'pause',
      params: { machine: machine.name },
      title: vscode.l10n.t('Pausing “{0}”…', machine.name),
    })
  );
};
