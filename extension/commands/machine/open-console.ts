import * as vscode from 'vscode';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const openConsole: CommandHandler = async (context, argument) => {
  const machine = await askMachine(
    context,
    argument,
    'openConsole',
    vscode.l10n.t('Open the console of which machine?'),
  );
  return machine && context.consoles.show(machine);
};
