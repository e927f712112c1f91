import * as vscode from 'vscode';
import { nowId } from '../../details/page-model.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine, referenceOf } from '../target.ts';

/** Opens the details of a machine, at the checkpoint or Now that it was asked for on. */
export const showDetails: CommandHandler = async (context, argument) => {
  const machine = await askMachine(
    context,
    argument,
    'showDetails',
    vscode.l10n.t('Show the details of which machine?'),
  );
  if (machine === undefined) {
    return undefined;
  }
  const { checkpoint, isNow } = referenceOf(context, argument);
  return context.details.open(machine, checkpoint ?? (isNow === true ? nowId : undefined));
};
