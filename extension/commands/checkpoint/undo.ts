import * as vscode from 'vscode';
import { undoLast } from '../../operations/apply-checkpoint.ts';
import { agreesToDisconnect } from '../../operations/own-connection.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const undo: CommandHandler = async (context, argument) => {
  const machine = await askMachine(
    context,
    argument,
    'undo',
    vscode.l10n.t('Undo the last apply or revert of which machine?'),
  );
  return (
    machine &&
    (await agreesToDisconnect(
      machine,
      vscode.l10n.t('Undo the last apply or revert of “{0}”?', machine.name),
      vscode.l10n.t('Undo'),
    )) &&
    undoLast(context, machine)
  );
};
