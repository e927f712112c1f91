/** Applying a checkpoint, in all its forms: the question before, the request, and what is told afterwards. */
import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import type { ApplyOptions, ApplyResult } from '../../engine/protocol/operations.ts';
import type { CheckpointsContext } from '../context.ts';
import type { CommandId } from '../contributions/commands.ts';
import { checkpointSentence } from '../machines/descriptions.ts';
import type { MachineAndCheckpoint } from '../machines/machine-and-checkpoint.ts';
import { keptLast } from '../machines/possible.ts';
import { connectionWarning } from './own-connection.ts';
import { perform } from './perform.ts';
import { agreesToPlan, type PlanQuestion } from './plan-question.ts';
import { readSwitch } from '../settings.ts';
import { appliedText, undoneText } from './told-afterwards.ts';

export type ApplyForm = 'apply' | 'revert';

/** Asks before Now is replaced, unless the setting says not to. */
export async function confirmApply(
  context: CheckpointsContext,
  form: ApplyForm,
  target: MachineAndCheckpoint,
): Promise<boolean> {
  const { machine, checkpoint } = target;
  return (
    (!readSwitch('vmCheckpoints.confirmRevert') && connectionWarning(machine) === undefined) ||
    agreesToPlan(context, {
      ...planned(context, form, target, {}),
      question:
        form === 'revert'
          ? vscode.l10n.t('Revert “{0}” to “{1}”?', machine.name, checkpoint.name)
          : vscode.l10n.t('Apply “{1}” to “{0}”?', machine.name, checkpoint.name),
      button: form === 'revert' ? vscode.l10n.t('Revert') : vscode.l10n.t('Apply'),
    })
  );
}

/** Asks before Now is thrown away, whatever the settings say. */
export async function confirmDiscard(context: CheckpointsContext, target: MachineAndCheckpoint): Promise<boolean> {
  const { machine, checkpoint } = target;
  return agreesToPlan(context, {
    ...planned(context, 'revert', target, { discardNow: true }),
    question: vscode.l10n.t('Revert “{0}” to “{1}” and discard Now?', machine.name, checkpoint.name),
    button: vscode.l10n.t('Revert and Discard Now'),
  });
}

/** What cannot be resumed here is offered with its disks only, as when it is applied. */
function planned(
  context: CheckpointsContext,
  form: ApplyForm,
  target: MachineAndCheckpoint,
  options: ApplyOptions,
): Pick<PlanQuestion<'apply'>, 'operation' | 'params' | 'introduction' | 'waysOut'> {
  const { machine, checkpoint } = target;
  const warning = connectionWarning(machine);
  return {
    operation: 'apply',
    params: { machine: machine.name, checkpoint: checkpoint.id, ...options },
    introduction: [
      ...(warning === undefined ? [] : [warning]),
      checkpoint.wasSaved === true
        ? vscode.l10n.t(
            '{0} It is of a saved machine: it will be saved, and its next start resumes it.',
            checkpointSentence(checkpoint),
          )
        : checkpointSentence(checkpoint),
    ].join('\n\n'),
    waysOut: { disksOnly: () => applyCheckpoint(context, form, target, { ...options, disksOnly: true }) },
  };
}

/**
 * Makes Now equal to the checkpoint. A revert, too, names its checkpoint to the engine: if another was taken since the
 * user was asked, what they agreed to still happens.
 */
export function applyCheckpoint(
  context: CheckpointsContext,
  form: ApplyForm,
  target: MachineAndCheckpoint,
  options: ApplyOptions = {},
): Promise<ApplyResult | undefined> {
  const { machine, checkpoint } = target;
  return perform(context, {
    name: 'apply',
    params: {
      machine: machine.name,
      checkpoint: checkpoint.id,
      ...(checkpoint.hasMemory && readSwitch('vmCheckpoints.renewNetwork') ? { renewNetwork: true } : {}),
      ...options,
    },
    title:
      form === 'revert'
        ? vscode.l10n.t('Reverting “{0}” to “{1}”…', machine.name, checkpoint.name)
        : vscode.l10n.t('Applying “{1}” to “{0}”…', machine.name, checkpoint.name),
    done: (result) => tellApplied(context, form, result),
    ...(options.disksOnly === true
      ? {}
      : { waysOut: { disksOnly: () => applyCheckpoint(context, form, target, { ...options, disksOnly: true }) } }),
  });
}

export function undoLast(context: CheckpointsContext, machine: MachineInfo): Promise<ApplyResult | undefined> {
  return perform(context, {
    name: 'undo',
    params: { machine: machine.name },
    title: vscode.l10n.t('Undoing the last apply or revert of “{0}”…', machine.name),
    done: (result) => {
      const redo = vscode.l10n.t('Redo');
      const command: CommandId = 'vmCheckpoints.redo';
      void vscode.window
        .showInformationMessage(undoneText(result, vscode.l10n), redo)
        .then((choice) => choice && vscode.commands.executeCommand(command, { machine: machine.id }));
    },
  });
}

function tellApplied(context: CheckpointsContext, form: ApplyForm, result: ApplyResult): void {
  const { machine, kept } = result;
  const message = appliedText(form, result, vscode.l10n);
  if (kept === undefined) {
    void vscode.window.showInformationMessage(message);
    return;
  }
  const undo = vscode.l10n.t('Undo');
  void vscode.window
    .showInformationMessage(message, undo)
    .then((choice) => (choice === undo ? undoTo(context, machine, kept) : undefined));
}

/** The notification may have stood for a while: its button goes back to what this apply kept, and nothing else. */
function undoTo(
  context: CheckpointsContext,
  machine: MachineInfo,
  kept: CheckpointInfo,
): Promise<ApplyResult | undefined> {
  const present = context.machines.find(machine.id) ?? machine;
  return keptLast(present)?.id === kept.id
    ? undoLast(context, present)
    : applyCheckpoint(context, 'apply', { machine: present, checkpoint: kept });
}
