/** Applying a checkpoint, in all its forms: the question before, the request, and what is told afterwards. */
import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import type { ApplyOptions, ApplyResult } from '../../engine/protocol/operations.ts';
import type { CheckpointsContext } from '../context.ts';
import type { CommandId } from '../contributions/commands.ts';
import { checkpointSentence } from '../machines/descriptions.ts';
import type { MachineAndCheckpoint } from '../machines/machine-and-checkpoint.ts';
import { isOff, keptLast } from '../machines/possible.ts';
import { perform } from './perform.ts';
import { formatDuration } from '../presentation/duration.ts';
import { readSwitch } from '../settings.ts';

export type ApplyForm = 'apply' | 'revert';

/** Asks before Now is replaced, unless the setting says not to. */
export async function confirmApply(form: ApplyForm, { machine, checkpoint }: MachineAndCheckpoint): Promise<boolean> {
  if (!readSwitch('vmCheckpoints.confirmRevert')) {
    return true;
  }
  const button = form === 'revert' ? vscode.l10n.t('Revert') : vscode.l10n.t('Apply');
  const choice = await vscode.window.showWarningMessage(
    form === 'revert'
      ? vscode.l10n.t('Revert “{0}” to “{1}”?', machine.name, checkpoint.name)
      : vscode.l10n.t('Apply “{1}” to “{0}”?', machine.name, checkpoint.name),
    {
      modal: true,
      detail: vscode.l10n.t(
        '{0}\n\nWhat Now is at present is kept for 24 hours as a checkpoint that expires, so this can be undone.{1}',
        checkpointSentence(checkpoint),
        endsOtherwise(machine, checkpoint),
      ),
    },
    button,
  );
  return choice === button;
}

/** Asks before Now is thrown away, whatever the settings say. */
export async function confirmDiscard({ machine, checkpoint }: MachineAndCheckpoint): Promise<boolean> {
  const button = vscode.l10n.t('Revert and Discard Now');
  const choice = await vscode.window.showWarningMessage(
    vscode.l10n.t('Revert “{0}” to “{1}” and discard Now?', machine.name, checkpoint.name),
    {
      modal: true,
      detail: vscode.l10n.t(
        '{0}\n\nWhat Now is at present is not kept. This cannot be undone.{1}',
        checkpointSentence(checkpoint),
        endsOtherwise(machine, checkpoint),
      ),
    },
    button,
  );
  return choice === button;
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
    done: ({ machine: { name }, totalMs }) => {
      const redo = vscode.l10n.t('Redo');
      const command: CommandId = 'vmCheckpoints.redo';
      void vscode.window
        .showInformationMessage(
          vscode.l10n.t('Undone: “{0}” is again what it was before. ({1})', name, formatDuration(totalMs)),
          redo,
        )
        .then((choice) => choice && vscode.commands.executeCommand(command, { machine: machine.id }));
    },
  });
}

function tellApplied(
  context: CheckpointsContext,
  form: ApplyForm,
  { machine, applied, kept, totalMs, steps }: ApplyResult,
): void {
  const duration = formatDuration(totalMs);
  const applying =
    form === 'revert'
      ? vscode.l10n.t('Reverted “{0}” to “{1}”. ({2})', machine.name, applied.name, duration)
      : vscode.l10n.t('Applied “{1}” to “{0}”. ({2})', machine.name, applied.name, duration);
  const message = [applying, ...worthTelling(steps)].join(' ');
  if (kept === undefined) {
    void vscode.window.showInformationMessage(message);
    return;
  }
  const undo = vscode.l10n.t('Undo');
  void vscode.window
    .showInformationMessage(message, undo)
    .then((choice) => (choice === undo ? undoTo(context, machine, kept) : undefined));
}

/** What was done for the guest afterwards, in the engine's words. */
function worthTelling(steps: ApplyResult['steps'] = []): string[] {
  return steps.filter(({ outcome }) => outcome !== 'skipped').map(({ detail }) => detail);
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

/** What the machine will do afterwards, where that is not what it does now. */
function endsOtherwise(machine: MachineInfo, checkpoint: CheckpointInfo): string {
  if (checkpoint.wasSaved === true) {
    return vscode.l10n.t('\n\nThe checkpoint is of a saved machine: it will be saved, and its next start resumes it.');
  }
  if (!isOff(machine) && !checkpoint.hasMemory) {
    return vscode.l10n.t('\n\nThe checkpoint holds no memory: the machine will be stopped.');
  }
  return isOff(machine) && checkpoint.hasMemory
    ? vscode.l10n.t('\n\nThe checkpoint holds memory: the machine will be running.')
    : '';
}
