import * as vscode from 'vscode';
import { applyCheckpoint, confirmApply } from '../../operations/apply-checkpoint.ts';
import type { CommandHandler } from '../command.ts';
import { askCheckpoint } from '../target.ts';

export const apply: CommandHandler = async (context, argument) => {
  const target = await askCheckpoint(context, argument, 'apply', {
    machine: vscode.l10n.t('Apply a checkpoint to which machine?'),
    checkpoint: vscode.l10n.t('Apply which checkpoint?'),
  });
  return target && (await confirmApply(context, 'apply', target))
    ? applyCheckpoint(context, 'apply', target)
    : undefined;
};
