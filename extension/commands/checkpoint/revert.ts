import * as vscode from 'vscode';
import type { CheckpointsContext } from '../../context.ts';
import type { MachineAndCheckpoint } from '../../machines/machine-and-checkpoint.ts';
import { parentOfNow } from '../../machines/possible.ts';
import { applyCheckpoint, confirmApply, confirmDiscard } from '../../operations/apply-checkpoint.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const revert: CommandHandler = async (context, argument) => {
  const target = await askRevert(context, argument);
  return target && (await confirmApply(context, 'revert', target))
    ? applyCheckpoint(context, 'revert', target)
    : undefined;
};

export const revertDiscard: CommandHandler = async (context, argument) => {
  const target = await askRevert(context, argument);
  return target && (await confirmDiscard(context, target))
    ? applyCheckpoint(context, 'revert', target, { discardNow: true })
    : undefined;
};

/** A machine, and the checkpoint that its Now hangs from. */
async function askRevert(context: CheckpointsContext, argument: unknown): Promise<MachineAndCheckpoint | undefined> {
  const machine = await askMachine(context, argument, 'revert', vscode.l10n.t('Revert which machine?'));
  const checkpoint = machine && parentOfNow(machine);
  return checkpoint && { machine, checkpoint };
}
