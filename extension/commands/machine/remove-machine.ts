import * as vscode from 'vscode';
import type { MachineInfo } from '../../../engine/protocol/machines.ts';
import type { CheckpointsContext } from '../../context.ts';
import { perform } from '../../operations/perform.ts';
import { agreesToPlan } from '../../operations/plan-question.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const removeMachine: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'remove', vscode.l10n.t('Remove which machine?'));
  if (machine === undefined) {
    return undefined;
  }
  if (machine.state === 'unreachable' && machine.isMoved === true) {
    return forget(context, machine);
  }
  return (await agreed(context, machine))
    ? perform(context, {
        name: 'removeMachine',
        params: { machine: machine.name },
        title: vscode.l10n.t('Removing “{0}”…', machine.name),
        done: () => {
          context.machines.reloadSoon();
          vscode.window.setStatusBarMessage(vscode.l10n.t('Removed “{0}”.', machine.name), 10_000);
        },
      })
    : undefined;
};

/** Nothing of one that is not reachable can be deleted. */
async function forget(context: CheckpointsContext, { name, folder }: MachineInfo): Promise<unknown> {
  const button = vscode.l10n.t('Take Off the List');
  const chosen = await vscode.window.showWarningMessage(
    vscode.l10n.t('Take “{0}” off the list?', name),
    {
      modal: true,
      detail: vscode.l10n.t(
        'It is not reachable at {0}. Connect the disk that it lies on to use it again. Off the list, its folder stays as it is: “Import Machine…” makes a machine of it again.',
        folder,
      ),
    },
    button,
  );
  return chosen === button
    ? perform(context, {
        name: 'forgetMachine',
        params: { machine: name },
        title: vscode.l10n.t('Taking “{0}” off the list…', name),
        done: () => context.machines.reloadSoon(),
      })
    : undefined;
}

/** What a damaged machine has, its records cannot tell: all of its folder goes. */
async function agreed(context: CheckpointsContext, machine: MachineInfo): Promise<boolean> {
  const { name, folder } = machine;
  const question = vscode.l10n.t('Remove “{0}” and everything in it?', name);
  const introduction = vscode.l10n.t(
    'This deletes {0} and cannot be undone. A disk that it was added from is not touched.',
    folder,
  );
  const button = vscode.l10n.t('Remove Machine');
  return machine.state === 'damaged'
    ? (await vscode.window.showWarningMessage(question, { modal: true, detail: introduction }, button)) === button
    : agreesToPlan(context, { operation: 'removeMachine', params: { machine: name }, question, introduction, button });
}
