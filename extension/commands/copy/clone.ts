import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../../engine/protocol/machines.ts';
import type { CheckpointsContext } from '../../context.ts';
import { askNewFolder } from '../../input/new-folder.ts';
import type { Step } from '../../input/steps.ts';
import { askSteps, pickStep, textStep } from '../../input/steps.ts';
import { describeCheckpoint } from '../../machines/descriptions.ts';
import { isOff, parentOfNow } from '../../machines/possible.ts';
import { machineNameFrom } from '../../naming/names.ts';
import { perform } from '../../operations/perform.ts';
import { CheckpointNode, checkpointIcon } from '../../tree/checkpoint-node.ts';
import type { CommandHandler } from '../command.ts';
import { freeName, machineNameQuestion, tellCreated } from '../machine/new-machine.ts';
import { askCheckpoint, askMachine } from '../target.ts';

interface Draft {
  /** Absent for Now. */
  checkpoint?: CheckpointInfo;
  name: string;
  full: boolean;
}

/** Makes another machine of a checkpoint, or of a stopped machine's Now. */
export const clone: CommandHandler = async (context, argument) => {
  const question = vscode.l10n.t('Clone which machine?');
  if (argument instanceof CheckpointNode) {
    const target = await askCheckpoint(context, argument, 'clone', { machine: question, checkpoint: question });
    return target && ask(context, target.machine, { checkpoint: target.checkpoint, name: '', full: false }, []);
  }
  const machine = await askMachine(context, argument, 'clone', question);
  if (machine === undefined) {
    return undefined;
  }
  const draft: Draft = { name: '', full: false };
  return ask(context, machine, draft, [sourceStep(machine, draft)]);
};

async function ask(
  context: CheckpointsContext,
  machine: MachineInfo,
  draft: Draft,
  before: readonly Step[],
): Promise<unknown> {
  const answered = await askSteps(vscode.l10n.t('Clone “{0}”', machine.name), [
    ...before,
    kindStep(draft),
    (position) => {
      const wanted =
        draft.checkpoint === undefined ? machine.name : machineNameFrom(`${machine.name} ${draft.checkpoint.name}`);
      return textStep(
        position,
        machineNameQuestion(context, freeName(context.machines.machines, draft.name || wanted)),
        (value) => {
          draft.name = value;
        },
      );
    },
  ]);
  if (!answered || machine.host !== 'disks') {
    return answered ? carryOut(context, machine, draft, undefined) : undefined;
  }
  // Another program uses its disks, so only the user knows where that looks for them.
  const folder = await askNewFolder(vscode.l10n.t('Disks of “{0}”', draft.name), draft.name);
  return folder === undefined ? undefined : carryOut(context, machine, draft, folder);
}

function carryOut(
  context: CheckpointsContext,
  machine: MachineInfo,
  draft: Draft,
  disksFolder: string | undefined,
): Promise<unknown> {
  const { checkpoint, name, full } = draft;
  return perform(context, {
    name: 'clone',
    params: {
      machine: machine.name,
      name,
      ...(checkpoint === undefined ? {} : { checkpoint: checkpoint.id }),
      ...(full ? { full } : {}),
      ...(disksFolder === undefined ? {} : { disksFolder }),
    },
    title: vscode.l10n.t('Cloning “{0}” to “{1}”…', machine.name, name),
    done: ({ machine: made }) => tellCreated(made, undefined),
  });
}

function sourceStep(machine: MachineInfo, draft: Draft): Step {
  type Item = vscode.QuickPickItem & { checkpoint?: CheckpointInfo };
  const parent = parentOfNow(machine);
  const now: Item = {
    label: vscode.l10n.t('Now'),
    detail: vscode.l10n.t('Its disks as they are; a checkpoint of them is taken first'),
    iconPath: new vscode.ThemeIcon('location', new vscode.ThemeColor('charts.blue')),
  };
  const items: Item[] = [
    ...(isOff(machine) ? [now] : []),
    ...machine.checkpoints.toReversed().map((checkpoint) => ({
      label: checkpoint.name,
      description: describeCheckpoint(checkpoint),
      iconPath: checkpointIcon(checkpoint),
      ...(checkpoint === parent ? { detail: vscode.l10n.t('Now grew from this one') } : {}),
      checkpoint,
    })),
  ];
  return (position) =>
    pickStep(position, { placeholder: vscode.l10n.t('Clone what?'), items }, ({ checkpoint }) => {
      if (checkpoint === undefined) {
        delete draft.checkpoint;
      } else {
        draft.checkpoint = checkpoint;
      }
    });
}

function kindStep(draft: Draft): Step {
  const items = [
    {
      label: vscode.l10n.t('Linked'),
      description: vscode.l10n.t('at once, takes no space'),
      detail: vscode.l10n.t('Stands on the disks of the checkpoint, which stay as long as the clone needs them'),
      iconPath: new vscode.ThemeIcon('link'),
      full: false,
    },
    {
      label: vscode.l10n.t('Full copy'),
      description: vscode.l10n.t('independent, takes time and space'),
      detail: vscode.l10n.t('Copies the disks'),
      iconPath: new vscode.ThemeIcon('copy'),
      full: true,
    },
  ];
  return (position) =>
    pickStep(position, { placeholder: vscode.l10n.t('Which kind of clone?'), items }, ({ full }) => {
      draft.full = full;
    });
}
