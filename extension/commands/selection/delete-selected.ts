/** Deletes several checkpoints: one question, and one Undo that brings all of them back. */
import * as vscode from 'vscode';
import type { OperationPlan } from '../../../engine/protocol/plans.ts';
import type { Params } from '../../../engine/protocol/operations.ts';
import type { CheckpointsContext } from '../../context.ts';
import { countCheckpoints } from '../../machines/descriptions.ts';
import { perform } from '../../operations/perform.ts';
import { planText } from '../../operations/plan-question.ts';
import { restoreCheckpoints } from '../../operations/restore-checkpoints.ts';
import { freedText } from '../../report/space-report.ts';
import type { CommandHandler } from '../command.ts';
import { chosenCheckpoints, type CheckpointsOfMachine } from './chosen.ts';

export const deleteSelected: CommandHandler = (context) => deleteSeveral(context, chosenCheckpoints(context));

/** Those of one machine are deleted together, all or none; machines one after the other. */
export async function deleteSeveral(
  context: CheckpointsContext,
  chosen: readonly CheckpointsOfMachine[],
): Promise<unknown> {
  if (chosen.length === 0) {
    tellNone();
    return undefined;
  }
  const details = await planned(context, chosen);
  if (details === undefined || !(await agrees(chosen, details))) {
    return undefined;
  }
  const deleted: CheckpointsOfMachine[] = [];
  for (const one of chosen) {
    const result = await perform(context, {
      name: 'delete',
      params: paramsOf(one),
      title: vscode.l10n.t('Deleting {0} of “{1}”…', countCheckpoints(one.checkpoints.length), one.machine.name),
    });
    if (result === undefined) {
      break;
    }
    deleted.push(one);
  }
  if (deleted.length > 0) {
    tellDeleted(context, deleted);
  }
  return deleted;
}

export function tellNone(): void {
  const select = vscode.l10n.t('Select Checkpoints');
  void vscode.window
    .showInformationMessage(vscode.l10n.t('No checkpoint is selected.'), select)
    .then((choice) => choice && vscode.commands.executeCommand('vmCheckpoints.selectCheckpoints'));
}

/** What the question says of each machine. @returns undefined when the engine would refuse one, which the user was told */
async function planned(
  context: CheckpointsContext,
  chosen: readonly CheckpointsOfMachine[],
): Promise<string | undefined> {
  const parts: string[] = [];
  for (const one of chosen) {
    const plan = await perform(context, {
      name: 'plan',
      params: { operation: 'delete', params: { ...paramsOf(one) } },
      title: vscode.l10n.t('Finding out what would happen…'),
    });
    if (plan === undefined) {
      return undefined;
    }
    const heading = chosen.length === 1 ? [] : [`“${one.machine.name}”:`];
    parts.push([...heading, planText(plan), ...(await freedLater(context, one))].join('\n'));
  }
  return parts.join('\n\n');
}

/** What the trash keeps takes as much as before; what that is, a plan of deleting it for good tells. */
async function freedLater({ engine, log }: CheckpointsContext, one: CheckpointsOfMachine): Promise<string[]> {
  try {
    const { space }: OperationPlan = await engine.request('plan', {
      operation: 'delete',
      params: { ...paramsOf(one), purge: true },
    });
    return [vscode.l10n.t('Frees nothing yet; {0} when they go for good.', freedText(space.freed))];
  } catch (error) {
    log.info(`What deleting for good would free is not known: ${String(error)}`);
    return [];
  }
}

async function agrees(chosen: readonly CheckpointsOfMachine[], detail: string): Promise<boolean> {
  const button = vscode.l10n.t('Delete');
  return (await vscode.window.showWarningMessage(question(chosen), { modal: true, detail }, button)) === button;
}

function question(chosen: readonly CheckpointsOfMachine[]): string {
  const count = countCheckpoints(countOf(chosen));
  const [first] = chosen;
  return chosen.length === 1 && first !== undefined
    ? vscode.l10n.t('Delete {0} of “{1}”?', count, first.machine.name)
    : vscode.l10n.t('Delete {0} of {1} machines?', count, chosen.length);
}

function tellDeleted(context: CheckpointsContext, deleted: readonly CheckpointsOfMachine[]): void {
  const undo = vscode.l10n.t('Undo');
  void vscode.window
    .showInformationMessage(
      vscode.l10n.t('Deleted {0}. What was deleted is in the trash.', countCheckpoints(countOf(deleted))),
      undo,
    )
    .then((choice) => (choice === undo ? restoreAll(context, deleted) : undefined));
}

async function restoreAll(context: CheckpointsContext, deleted: readonly CheckpointsOfMachine[]): Promise<void> {
  for (const { machine, checkpoints } of deleted) {
    await restoreCheckpoints(context, machine, checkpoints);
  }
}

function paramsOf({ machine, checkpoints: [first, ...others] }: CheckpointsOfMachine): Params<'delete'> {
  return {
    machine: machine.name,
    checkpoint: first.id,
    ...(others.length === 0 ? {} : { also: others.map(({ id }) => id) }),
  };
}

function countOf(chosen: readonly CheckpointsOfMachine[]): number {
  return chosen.reduce((sum, { checkpoints }) => sum + checkpoints.length, 0);
}
