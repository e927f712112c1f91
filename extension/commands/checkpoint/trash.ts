/** Deleted checkpoints: bringing one back, and letting all of them go. */
import * as vscode from 'vscode';
import { countCheckpoints } from '../../machines/descriptions.ts';
import { perform } from '../../operations/perform.ts';
import { agreesToPlan } from '../../operations/plan-question.ts';
import { restoreCheckpoints } from '../../operations/restore-checkpoints.ts';
import { age, expiry } from '../../presentation/age.ts';
import { formatSize } from '../../presentation/size.ts';
import { TrashedNode } from '../../tree/trash-nodes.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const restore: CommandHandler = async (context, argument) => {
  const machine = await askMachine(
    context,
    argument,
    'restore',
    vscode.l10n.t('Restore a deleted checkpoint of which machine?'),
  );
  if (machine === undefined) {
    return undefined;
  }
  if (argument instanceof TrashedNode) {
    return restoreCheckpoints(context, machine, [argument.trashed.checkpoint]);
  }
  const picked = await vscode.window.showQuickPick(
    machine.trash.toReversed().map(({ checkpoint, deleted, expires }) => ({
      label: checkpoint.name,
      description: vscode.l10n.t('deleted {0} · {1}', age(deleted), expiry(expires)),
      checkpoint,
    })),
    { placeHolder: vscode.l10n.t('Restore which checkpoint?'), matchOnDescription: true },
  );
  return picked && restoreCheckpoints(context, machine, [picked.checkpoint]);
};

export const emptyTrash: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'emptyTrash', vscode.l10n.t('Empty the trash of which machine?'));
  if (machine === undefined) {
    return undefined;
  }
  const agreed = await agreesToPlan(context, {
    operation: 'emptyTrash',
    params: { machine: machine.name },
    question: vscode.l10n.t('Empty the trash of “{0}”?', machine.name),
    introduction: vscode.l10n.t('Now and the checkpoints in the tree stay as they are.'),
    button: vscode.l10n.t('Empty Trash'),
  });
  return agreed
    ? perform(context, {
        name: 'emptyTrash',
        params: { machine: machine.name },
        title: vscode.l10n.t('Emptying the trash of “{0}”…', machine.name),
        done: ({ discarded, freedBytes }) => {
          vscode.window.setStatusBarMessage(
            vscode.l10n.t('{0} gone for good: {1} freed.', countCheckpoints(discarded.length), formatSize(freedBytes)),
            10_000,
          );
        },
      })
    : undefined;
};
