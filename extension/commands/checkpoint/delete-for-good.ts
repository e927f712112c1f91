import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../../engine/protocol/machines.ts';
import { describeCheckpoint } from '../../machines/descriptions.ts';
import { perform } from '../../operations/perform.ts';
import { agreesToPlan } from '../../operations/plan-question.ts';
import { age, expiry } from '../../presentation/age.ts';
import { formatSize } from '../../presentation/size.ts';
import { CheckpointNode, checkpointIcon } from '../../tree/checkpoint-node.ts';
import { TrashedNode } from '../../tree/trash-nodes.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

/** Deletes one checkpoint for good, out of the trash or out of the tree. */
export const deleteForGood: CommandHandler = async (context, argument) => {
  const machine = await askMachine(
    context,
    argument,
    'deleteForGood',
    vscode.l10n.t('Delete a checkpoint of which machine for good?'),
  );
  const checkpoint = machine && (checkpointOf(argument) ?? (await pick(machine)));
  if (machine === undefined || checkpoint === undefined) {
    return undefined;
  }
  const { id, name } = checkpoint;
  const isInTrash = machine.trash.some((trashed) => trashed.checkpoint.id === id);
  const params = { machine: machine.name, checkpoint: id };
  const asked = {
    question: vscode.l10n.t('Delete checkpoint “{0}” of “{1}” for good?', name, machine.name),
    introduction: vscode.l10n.t('Now and all other checkpoints keep what they hold.'),
    button: vscode.l10n.t('Delete for Good'),
  };
  const agreed = await (isInTrash
    ? agreesToPlan(context, { operation: 'emptyTrash', params, ...asked })
    : agreesToPlan(context, { operation: 'delete', params: { ...params, purge: true }, ...asked }));
  if (!agreed) {
    return undefined;
  }
  const common = {
    params,
    title: vscode.l10n.t('Deleting checkpoint “{0}” of “{1}” for good…', name, machine.name),
    done: ({ freedBytes }: { freedBytes: number }) => {
      vscode.window.setStatusBarMessage(
        vscode.l10n.t('“{0}” is gone for good: {1} freed.', name, formatSize(freedBytes)),
        10_000,
      );
    },
  };
  return isInTrash
    ? perform(context, { name: 'emptyTrash', ...common })
    : perform(context, { name: 'delete', ...common, params: { ...params, purge: true } });
};

function checkpointOf(argument: unknown): CheckpointInfo | undefined {
  if (argument instanceof TrashedNode) {
    return argument.trashed.checkpoint;
  }
  return argument instanceof CheckpointNode ? argument.checkpoint : undefined;
}

async function pick(machine: MachineInfo): Promise<CheckpointInfo | undefined> {
  type Item = vscode.QuickPickItem & { checkpoint?: CheckpointInfo };
  const section = (label: string, items: Item[]): Item[] =>
    items.length === 0 ? [] : [{ label, kind: vscode.QuickPickItemKind.Separator }, ...items];
  const picked = await vscode.window.showQuickPick<Item>(
    [
      ...section(
        vscode.l10n.t('in the trash'),
        machine.trash.toReversed().map(({ checkpoint, deleted, expires }) => ({
          label: checkpoint.name,
          description: vscode.l10n.t('deleted {0} · {1}', age(deleted), expiry(expires)),
          iconPath: new vscode.ThemeIcon('trash'),
          checkpoint,
        })),
      ),
      ...section(
        vscode.l10n.t('in the tree'),
        machine.checkpoints.toReversed().map((checkpoint) => ({
          label: checkpoint.name,
          description: describeCheckpoint(checkpoint),
          iconPath: checkpointIcon(checkpoint),
          checkpoint,
        })),
      ),
    ],
    { placeHolder: vscode.l10n.t('Delete which checkpoint for good?'), matchOnDescription: true },
  );
  return picked?.checkpoint;
}
