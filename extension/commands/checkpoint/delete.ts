import * as vscode from 'vscode';
import type { CheckpointsContext } from '../../context.ts';
import { checkpointSentence, countCheckpoints } from '../../machines/descriptions.ts';
import type { MachineAndCheckpoint } from '../../machines/machine-and-checkpoint.ts';
import { perform } from '../../operations/perform.ts';
import { restoreCheckpoints } from '../../operations/restore-checkpoints.ts';
import type { CommandHandler } from '../command.ts';
import { deleteOther, isCheckpoint, pressedOn } from '../keys.ts';
import { askCheckpoint } from '../target.ts';

export const deleteCheckpoint: CommandHandler = async (context, argument) => {
  const pressed = pressedOn(context, argument);
  if (pressed !== undefined && !isCheckpoint(pressed)) {
    return deleteOther(pressed);
  }
  const target = await ask(context, argument);
  if (target === undefined) {
    return undefined;
  }
  const { machine, checkpoint } = target;
  const agreed = await confirm(
    vscode.l10n.t('Delete checkpoint “{0}” of “{1}”?', checkpoint.name, machine.name),
    vscode.l10n.t(
      '{0}\n\nIt goes to the trash, from which it can be restored until it expires. Now, and the checkpoints below this one, stay as they are.',
      checkpointSentence(checkpoint),
    ),
  );
  return agreed ? moveToTrash(context, target, false) : undefined;
};

export const deleteSubtree: CommandHandler = async (context, argument) => {
  const target = await ask(context, argument);
  if (target === undefined) {
    return undefined;
  }
  const { machine, checkpoint } = target;
  const agreed = await confirm(
    vscode.l10n.t('Delete “{0}” of “{1}” and every checkpoint below it?', checkpoint.name, machine.name),
    vscode.l10n.t('They go to the trash, from which they can be restored until they expire. Now stays as it is.'),
  );
  return agreed ? moveToTrash(context, target, true) : undefined;
};

function ask(context: CheckpointsContext, argument: unknown): Promise<MachineAndCheckpoint | undefined> {
  return askCheckpoint(context, argument, 'delete', {
    machine: vscode.l10n.t('Delete a checkpoint of which machine?'),
    checkpoint: vscode.l10n.t('Delete which checkpoint?'),
  });
}

async function confirm(question: string, detail: string): Promise<boolean> {
  const button = vscode.l10n.t('Delete');
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, button)) === button;
}

function moveToTrash(
  context: CheckpointsContext,
  { machine, checkpoint }: MachineAndCheckpoint,
  subtree: boolean,
): Promise<unknown> {
  return perform(context, {
    name: 'delete',
    params: { machine: machine.name, checkpoint: checkpoint.id, ...(subtree ? { subtree } : {}) },
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
