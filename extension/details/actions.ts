/** What the page offers to do: what context menus offer in the tree. */
import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import { obstacle, type MachineOperation } from '../machines/possible.ts';
import type { PageCommand } from './page-commands.ts';
import type { Action } from './page-model.ts';

export function machineActions(machine: MachineInfo): Action[] {
  return [
    action(machine, 'take', 'take', vscode.l10n.t('Take Checkpoint…')),
    action(machine, 'revert', 'revert', vscode.l10n.t('Revert…')),
    action(machine, 'undo', 'undo', vscode.l10n.t('Undo')),
    action(machine, 'redo', 'redo', vscode.l10n.t('Redo')),
  ].flat();
}

export function nowActions(machine: MachineInfo): Action[] {
  return [
    action(machine, 'start', 'start', vscode.l10n.t('Start')),
    action(machine, 'resume', 'resume', vscode.l10n.t('Resume')),
    action(machine, 'openConsole', 'openConsole', vscode.l10n.t('Open Console')),
    action(machine, 'pause', 'pause', vscode.l10n.t('Pause')),
    action(machine, 'stop', 'stop', vscode.l10n.t('Shut Down')),
    action(machine, 'clone', 'clone', vscode.l10n.t('Clone…')),
    action(machine, 'setGroup', 'moveToGroup', vscode.l10n.t('Move to Group…')),
    action(machine, 'showCommand', 'showCommand', vscode.l10n.t('Show Command…')),
  ].flat();
}

export function checkpointActions(machine: MachineInfo, { id, pinned }: CheckpointInfo): Action[] {
  const isInterrupted = machine.guards?.some((one) => one.checkpoint === id && one.state === 'interrupted') === true;
  const pinning: Action[] =
    pinned === true
      ? action(machine, 'annotate', 'unpin', vscode.l10n.t('Unpin'))
      : action(machine, 'annotate', 'pin', vscode.l10n.t('Pin'));
  return [
    action(machine, 'apply', 'apply', vscode.l10n.t('Apply…')).map((one) => ({ ...one, isPrimary: true })),
    isInterrupted ? action(machine, 'annotate', 'endGuard', vscode.l10n.t('End Interrupted Guard…')) : [],
    action(machine, 'rename', 'rename', vscode.l10n.t('Rename…')),
    pinning,
    action(machine, 'annotate', 'setColour', vscode.l10n.t('Set Colour…')),
    action(machine, 'clone', 'clone', vscode.l10n.t('Clone…')),
    action(machine, 'exportCheckpoint', 'exportCheckpoint', vscode.l10n.t('Export Disks…')),
    action(machine, 'compare', 'compareWith', vscode.l10n.t('Compare with…')),
    action(machine, 'showCommand', 'showCommand', vscode.l10n.t('Show Command…')),
    action(machine, 'delete', 'delete', vscode.l10n.t('Delete…')),
    action(machine, 'delete', 'deleteSubtree', vscode.l10n.t('Delete Subtree…')),
  ].flat();
}

/** Nothing where the operation makes no sense. */
function action(machine: MachineInfo, operation: MachineOperation, command: PageCommand, title: string): Action[] {
  return obstacle(operation, machine) === undefined ? [{ command, title }] : [];
}
