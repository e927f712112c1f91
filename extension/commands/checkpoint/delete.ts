import * as vscode from 'vscode';
import type { CheckpointsContext } from '../../context.ts';
import { checkpointSentence, countCheckpoints } from '../../machines/descriptions.ts';
import type { MachineAndCheckpoint } from '../../machines/machine-and-checkpoint.ts';
import { perform } from '../../operations/perform.ts';
import { agreesToPlan } from '../../operations/plan-question.ts';
import { restoreCheckpoints } from '../../operations/restore-checkpoints.ts';
import type { CommandHandler } from '../command.ts';
import { deleteOther, isCheckpoint, pressedOn } from '../keys.ts';
import { checkpointsOf, severalRows } from '../selection/chosen.ts';
import { deleteSeveral } from '../selection/delete-selected.ts';
import { askCheckpoint } from '../target.ts';

export const deleteCheckpoint: CommandHandler = async (context, argument, selected) => {
  const rows = severalRows(context, argument, selected);
  if (rows !== undefined) {
    if (rows.every(isCheckpoint)) {
      return deleteSeveral(context, checkpointsOf(context, new Set(rows.map(({ id }) => id))));
    }
    void vscode.window.showInformationMessage(
      vscode.l10n.t('Only checkpoints are deleted together. Select nothing else, or one row only.'),
    );
    return undefined;
  }
  const pressed = pressedOn(context, argument);
  if (pressed !== undefined && !isCheckpoint(pressed)) {
    return deleteOther(pressed);
  }
  const target = await ask(context, argument);
  if (target === undefined) {
    return undefined;
  }
  const { machine, checkpoint } = target;
  const question = vscode.l10n.t('Delete checkpoint “{0}” of “{1}”?', checkpoint.name, machine.name);
  return confirmAndDelete(context, target, false, question);
};

export const deleteSubtree: CommandHandler = async (context, argument) => {
  const target = await ask(context, argument);
  if (target === undefined) {
    return undefined;
  }
  const { machine, checkpoint } = target;
  const question = vscode.l10n.t('Delete “{0}” of “{1}” and every checkpoint below it?', checkpoint.name, machine.name);
  return confirmAndDelete(context, target, true, question);
};

function ask(context: CheckpointsContext, argument: unknown): Promise<MachineAndCheckpoint | undefined> {
  return askCheckpoint(context, argument, 'delete', {
    machine: vscode.l10n.t('Delete a checkpoint of which machine?'),
    checkpoint: vscode.l10n.t('Delete which checkpoint?'),
  });
}

async function confirmAndDelete(
  context: CheckpointsContext,
  { machine, checkpoint }: MachineAndCheckpoint,
  subtree: boolean,
  question: string,
): Promise<unknown> {
  const params = { machine: machine.name, checkpoint: checkpoint.id, ...(subtree ? { subtree } : {}) };
  const agreed = await agreesToPlan(context, {
    operation: 'delete',
    params,
    question,
    introduction: checkpointSentence(checkpoint),
    button: vscode.l10n.t('Delete'),
  });
  if (!agreed) {
    return undefined;
  }
  return perform(context, {
    name: 'delete',
    params,
    title: vscode.l10n.t('Deleting checkpoint “{0}” of “{1}”…', checkpoint.name, machine.name),
    done: ({ deleted, all }) => {
      const undo = vscode.l10n.t('Undo');
      void vscode.window
        .showInformationMessage(
          all.length === 1
            ? vscode.l10n.t('Deleted checkpoint “{0}”. It is in the trash.', deleted.name)
            : vscode.l10n.t('Deleted “{0}” and below: {1}.', deleted.name, countCheckpoints(all.length)),
          undo,
        )
        .then((choice) => (choice === undo ? restoreCheckpoints(context, machine, all) : undefined));
    },
  });
}
