import * as vscode from 'vscode';
import { perform } from '../../operations/perform.ts';
import { tellGoesOn } from '../../operations/tell-goes-on.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const resume: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'resume', vscode.l10n.t('Resume which machine?'));
  return (
    machine &&
    perform(context, {
      name: 'resume',
      params: { machine: machine.name },
      title: vscode.l10n.t('Resuming “{0}”…', machine.name),
      done: tellGoesOn,
    })
  );
};
