import * as vscode from 'vscode';
import { compareCheckpoints } from '../../operations/compare-checkpoints.ts';
import type { CommandHandler } from '../command.ts';
import { askCheckpoint, pickCheckpoint } from '../target.ts';

/** Shows in what a checkpoint differs from another one of its machine, which is asked for. */
export const compareWith: CommandHandler = async (context, argument) => {
  const target = await askCheckpoint(context, argument, 'compare', {
    machine: vscode.l10n.t('Compare checkpoints of which machine?'),
    checkpoint: vscode.l10n.t('Compare which checkpoint?'),
  });
  if (target === undefined) {
    return undefined;
  }
  const { machine, checkpoint } = target;
  const other = await pickCheckpoint(
    machine,
    machine.checkpoints.filter(({ id }) => id !== checkpoint.id),
    vscode.l10n.t('Compare “{0}” with which checkpoint?', checkpoint.name),
  );
  return other && compareCheckpoints(context, machine, checkpoint, other);
};
