import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../../engine/protocol/machines.ts';
import { commandLine } from '../../console/command-line.ts';
import type { MachineOperation } from '../../machines/possible.ts';
import { obstacle } from '../../machines/possible.ts';
import { defaultCheckpointName } from '../../naming/names.ts';
import { CheckpointNode } from '../../tree/checkpoint-node.ts';
import type { CommandHandler } from '../command.ts';
import { askCheckpoint, askMachine } from '../target.ts';

interface Action {
  label: string;
  /** Arguments of `ckpt`. */
  words: string[];
  /** Absent for what is possible at any time. */
  operation?: MachineOperation;
}

/** Shows, and copies, the command line that does what a button of this machine or checkpoint does. */
export const showCommand: CommandHandler = async (context, argument) => {
  const question = vscode.l10n.t('Show the command for which machine?');
  if (argument instanceof CheckpointNode) {
    const target = await askCheckpoint(context, argument, 'showCommand', { machine: question, checkpoint: question });
    return target && choose(target.machine, checkpointActions(target.machine, target.checkpoint));
  }
  const machine = await askMachine(context, argument, 'showCommand', question);
  return machine && choose(machine, machineActions(machine));
};

async function choose(machine: MachineInfo, actions: readonly Action[]): Promise<string | undefined> {
  const possible = actions.filter(
    ({ operation }) => operation === undefined || obstacle(operation, machine) === undefined,
  );
  const picked = await vscode.window.showQuickPick(
    possible.map(({ label, words }) => ({ label, detail: commandLine(words) })),
    { placeHolder: vscode.l10n.t('Choose a command to copy it'), matchOnDetail: true },
  );
  if (picked === undefined) {
    return undefined;
  }
  await vscode.env.clipboard.writeText(picked.detail);
  const insert = vscode.l10n.t('Put into Terminal');
  void vscode.window.showInformationMessage(vscode.l10n.t('Copied: {0}', picked.detail), insert).then((choice) => {
    if (choice === insert) {
      const terminal = vscode.window.activeTerminal ?? vscode.window.createTerminal();
      terminal.show();
      terminal.sendText(picked.detail, false);
    }
  });
  return picked.detail;
}

function machineActions({ name }: MachineInfo): Action[] {
  return [
    { label: vscode.l10n.t('Start Machine'), words: ['start', name], operation: 'start' },
    { label: vscode.l10n.t('Shut Down Machine'), words: ['stop', name], operation: 'stop' },
    { label: vscode.l10n.t('Force Off Machine'), words: ['stop', name, '--force'], operation: 'forceStop' },
    { label: vscode.l10n.t('Pause Machine'), words: ['pause', name], operation: 'pause' },
    { label: vscode.l10n.t('Resume Machine'), words: ['resume', name], operation: 'resume' },
    { label: vscode.l10n.t('Reset Machine'), words: ['reset', name], operation: 'reset' },
    { label: vscode.l10n.t('Save Machine State'), words: ['save', name], operation: 'saveState' },
    { label: vscode.l10n.t('Discard Saved State'), words: ['discard-state', name], operation: 'discardState' },
    { label: vscode.l10n.t('Open Console'), words: ['console', name], operation: 'openConsole' },
    {
      label: vscode.l10n.t('Take Checkpoint'),
      words: ['take', name, defaultCheckpointName(new Date())],
      operation: 'take',
    },
    { label: vscode.l10n.t('Revert'), words: ['revert', name], operation: 'revert' },
    { label: vscode.l10n.t('Revert and Discard Now'), words: ['revert', name, '--discard-now'], operation: 'revert' },
    { label: vscode.l10n.t('Undo Last Apply or Revert'), words: ['undo', name], operation: 'undo' },
    { label: vscode.l10n.t('Redo'), words: ['redo', name], operation: 'redo' },
    {
      label: vscode.l10n.t('Clone Now'),
      words: ['clone', name, vscode.l10n.t('new name')],
      operation: 'clone',
    },
    {
      label: vscode.l10n.t('Export Machine'),
      words: ['export', name, vscode.l10n.t('new folder')],
      operation: 'exportMachine',
    },
    { label: vscode.l10n.t('Move Machine'), words: ['move', name, vscode.l10n.t('folder')], operation: 'move' },
    { label: vscode.l10n.t('Flatten'), words: ['flatten', name], operation: 'flatten' },
    { label: vscode.l10n.t('Merge Hidden Layers'), words: ['merge-layers', name] },
    { label: vscode.l10n.t('Show Space'), words: ['space', name] },
    { label: vscode.l10n.t('Check for Problems'), words: ['doctor', name] },
    { label: vscode.l10n.t('Show Retention Policy'), words: ['policy', name] },
    { label: vscode.l10n.t('Show What Pruning Would Delete'), words: ['prune', name, '--dry-run'] },
    {
      label: vscode.l10n.t('Take Group Checkpoint'),
      words: ['group', 'take', defaultCheckpointName(new Date()), '--machine', name],
      operation: 'take',
    },
    {
      label: vscode.l10n.t('Move to Group'),
      words: ['set-group', name, vscode.l10n.t('group')],
      operation: 'setGroup',
    },
    { label: vscode.l10n.t('List Trash'), words: ['trash', 'list', name] },
    { label: vscode.l10n.t('Empty Trash'), words: ['trash', 'empty', name], operation: 'emptyTrash' },
    { label: vscode.l10n.t('Show Machine and Checkpoints'), words: ['show', name] },
    { label: vscode.l10n.t('Remove Machine'), words: ['remove-machine', name], operation: 'remove' },
  ];
}

/** Names the checkpoint by name, as a person would, where that is unique and does not look like an option. */
function checkpointActions(machine: MachineInfo, { id, name }: CheckpointInfo): Action[] {
  const isUnique = machine.checkpoints.filter((other) => other.name === name).length === 1;
  const reference = isUnique && !name.startsWith('-') ? name : id;
  return [
    { label: vscode.l10n.t('Apply Checkpoint'), words: ['apply', machine.name, reference], operation: 'apply' },
    {
      label: vscode.l10n.t('Rename Checkpoint'),
      words: ['rename', machine.name, reference, vscode.l10n.t('new name')],
      operation: 'rename',
    },
    { label: vscode.l10n.t('Delete Checkpoint'), words: ['delete', machine.name, reference], operation: 'delete' },
    {
      label: vscode.l10n.t('Delete Subtree'),
      words: ['delete', machine.name, reference, '--subtree'],
      operation: 'delete',
    },
    {
      label: vscode.l10n.t('Delete for Good'),
      words: ['delete', machine.name, reference, '--purge'],
      operation: 'delete',
    },
    {
      label: vscode.l10n.t('Clone'),
      words: ['clone', machine.name, reference, vscode.l10n.t('new name')],
      operation: 'clone',
    },
    {
      label: vscode.l10n.t('Export Disks'),
      words: ['export', machine.name, vscode.l10n.t('new folder'), '--checkpoint', reference],
      operation: 'exportCheckpoint',
    },
    {
      label: vscode.l10n.t('Compare'),
      words: ['compare', machine.name, reference, vscode.l10n.t('other checkpoint')],
      operation: 'compare',
    },
    {
      label: vscode.l10n.t('Edit Notes'),
      words: ['annotate', machine.name, reference, '--notes', vscode.l10n.t('text')],
      operation: 'annotate',
    },
    {
      label: vscode.l10n.t('Pin Checkpoint'),
      words: ['annotate', machine.name, reference, '--pin'],
      operation: 'annotate',
    },
  ];
}
