import * as vscode from 'vscode';
import { perform } from '../../operations/perform.ts';
import { tellGoesOn } from '../../operations/tell-goes-on.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const start: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'start', vscode.l10n.t('Start which machine?'));
  return (
    machine &&
    perform(context, {
      name: 'start',
      params: { machine: machine.name },
      title: vscode.l10n.t('Starting “{0}”…', machine.name),
      done: tellGoesOn,
      waysOut: {
        discardState: () => vscode.commands.executeCommand('vmCheckpoints.discardState', { machine: machine.name }),
      },
    })
  );
};
