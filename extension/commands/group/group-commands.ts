/** Checkpoints of several machines together: all of them, or none. */
import * as vscode from 'vscode';
import type { CheckpointsContext } from '../../context.ts';
import { achievedTexts, describeMachine } from '../../machines/descriptions.ts';
import type { CheckpointGroup } from '../../machines/groups.ts';
import { checkpointGroups } from '../../machines/groups.ts';
import { obstacle } from '../../machines/possible.ts';
import { nameProblemText } from '../../naming/name-input.ts';
import { checkpointNameProblem, defaultCheckpointName } from '../../naming/names.ts';
import { problemTexts } from '../../operations/group-problems.ts';
import { connectionWarning } from '../../operations/own-connection.ts';
import { perform } from '../../operations/perform.ts';
import { agreesToPlan } from '../../operations/plan-question.ts';
import { restoreCheckpoints } from '../../operations/restore-checkpoints.ts';
import { groupAppliedText } from '../../operations/told-afterwards.ts';
import { age } from '../../presentation/age.ts';
import { readCheckpointKind } from '../../settings.ts';
import { machineIcon } from '../../tree/machine-node.ts';
import { GroupNode } from '../../tree/group-nodes.ts';
import type { CommandHandler } from '../command.ts';

export const takeGroup: CommandHandler = async (context) => {
  const candidates = context.machines.machines.filter((machine) => obstacle('take', machine) === undefined);
  if (candidates.length < 2) {
    void vscode.window.showInformationMessage(
      vscode.l10n.t(
        'A group needs two machines at least. Create another one, or take a checkpoint of the one there is.',
      ),
    );
    return undefined;
  }
  const picked = await vscode.window.showQuickPick(
    candidates.map((machine) => ({
      label: machine.name,
      description: describeMachine(machine),
      iconPath: machineIcon(machine),
    })),
    {
      canPickMany: true,
      title: vscode.l10n.t('Take Group Checkpoint'),
      placeHolder: vscode.l10n.t('Which machines belong together?'),
    },
  );
  if (picked === undefined || picked.length === 0) {
    return undefined;
  }
  const machines = picked.map(({ label }) => label);
  const name = await vscode.window.showInputBox({
    title: vscode.l10n.t('Take Group Checkpoint'),
    prompt: vscode.l10n.t('Name of the checkpoint of {0}', machines.join(', ')),
    value: defaultCheckpointName(new Date()),
    validateInput: (value) => nameProblemText(checkpointNameProblem(value)),
  });
  return name === undefined
    ? undefined
    : perform(context, {
        name: 'groupTake',
        params: { name: name.trim(), machines, kind: readCheckpointKind() },
        title: vscode.l10n.t('Taking checkpoint “{0}” of {1}…', name.trim(), machines.join(', ')),
        done: (result) => {
          const { group } = result;
          const taken = vscode.l10n.t('Took checkpoint “{0}” of {1} together.', group.name, achievedTexts(group));
          const told = problemTexts(result);
          void (told.length === 0
            ? vscode.window.showInformationMessage(taken)
            : vscode.window.showWarningMessage([taken, ...told].join(' ')));
        },
      });
};

export const applyGroup: CommandHandler = async (context, argument) => {
  const group = await askGroup(context, argument, vscode.l10n.t('Apply which group?'));
  if (group === undefined) {
    return undefined;
  }
  const agreed = await agreesToPlan(context, {
    operation: 'groupApply',
    params: { group: group.id },
    question: vscode.l10n.t('Apply “{0}” to {1}?', group.name, machinesOf(group)),
    introduction: [
      ...group.members.map(({ machine }) => connectionWarning(machine)),
      vscode.l10n.t(
        'The checkpoints were taken {0}. They are applied to all of these machines, or to none.',
        age(group.created),
      ),
    ]
      .filter((one) => one !== undefined)
      .join('\n\n'),
    button: vscode.l10n.t('Apply'),
    waysOut: { disksOnly: () => apply(context, group, true) },
  });
  return agreed ? apply(context, group) : undefined;
};

function apply(context: CheckpointsContext, group: CheckpointGroup, disksOnly?: true): Promise<unknown> {
  return perform(context, {
    name: 'groupApply',
    params: { group: group.id, ...(disksOnly === undefined ? {} : { disksOnly }) },
    title: vscode.l10n.t('Applying “{0}” to {1}…', group.name, machinesOf(group)),
    done: (result) => {
      void vscode.window.showInformationMessage(groupAppliedText(result, machinesOf(group), vscode.l10n));
    },
    ...(disksOnly === undefined ? { waysOut: { disksOnly: () => apply(context, group, true) } } : {}),
  });
}

export const deleteGroup: CommandHandler = async (context, argument) => {
  const group = await askGroup(context, argument, vscode.l10n.t('Delete which group?'));
  if (group === undefined) {
    return undefined;
  }
  const agreed = await agreesToPlan(context, {
    operation: 'groupDelete',
    params: { group: group.id },
    question: vscode.l10n.t('Delete “{0}” of {1}?', group.name, machinesOf(group)),
    button: vscode.l10n.t('Delete'),
  });
  return agreed
    ? perform(context, {
        name: 'groupDelete',
        params: { group: group.id },
        title: vscode.l10n.t('Deleting “{0}” of {1}…', group.name, machinesOf(group)),
        done: () => {
          const undo = vscode.l10n.t('Undo');
          void vscode.window
            .showInformationMessage(vscode.l10n.t('Deleted “{0}” of {1}.', group.name, machinesOf(group)), undo)
            .then((answer) => (answer === undo ? restoreGroup(context, group) : undefined));
        },
      })
    : undefined;
};

async function restoreGroup(context: CheckpointsContext, { members }: CheckpointGroup): Promise<void> {
  for (const { machine, checkpoint } of members) {
    await restoreCheckpoints(context, machine, [checkpoint]);
  }
}

async function askGroup(
  context: CheckpointsContext,
  argument: unknown,
  question: string,
): Promise<CheckpointGroup | undefined> {
  const node = argument instanceof GroupNode ? argument : undefined;
  const groups = checkpointGroups(context.machines.machines);
  if (node !== undefined) {
    return groups.find(({ id }) => id === node.group.id);
  }
  if (groups.length === 0) {
    void vscode.window.showInformationMessage(
      vscode.l10n.t('There is no group yet. “Take Group Checkpoint…” takes checkpoints of several machines together.'),
    );
    return undefined;
  }
  const picked = await vscode.window.showQuickPick(
    groups.map((group) => ({
      label: group.name,
      description: `${age(group.created)} · ${machinesOf(group)}`,
      group,
    })),
    { placeHolder: question, matchOnDescription: true },
  );
  return picked?.group;
}

function machinesOf({ members }: CheckpointGroup): string {
  return members.map(({ machine }) => `“${machine.name}”`).join(', ');
}
