import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { MachineOperation, Obstacle } from './possible.ts';

/** Why an operation cannot be done to a machine, as a sentence that says what to do about it. */
export function obstacleText(obstacle: Obstacle, { name, problem }: MachineInfo): string {
  switch (obstacle) {
    case 'damaged':
      return problem === undefined
        ? vscode.l10n.t('“{0}” is damaged, and nothing but listing works.', name)
        : vscode.l10n.t('“{0}” is damaged, and nothing but listing works: {1}', name, problem);
    case 'unreachable':
      return vscode.l10n.t('“{0}” is not reachable. Connect the disk that it lies on; nothing of it is lost.', name);
    case 'stopped':
      return vscode.l10n.t('“{0}” is stopped. Start it first.', name);
    case 'saved':
      return vscode.l10n.t('“{0}” is saved. Start it first: that resumes it.', name);
    case 'notSaved':
      return vscode.l10n.t('“{0}” is not saved, so there is nothing to discard.', name);
    case 'running':
      return vscode.l10n.t('“{0}” is running already.', name);
    case 'paused':
      return vscode.l10n.t('“{0}” is paused. Resume it first.', name);
    case 'noCheckpoint':
      return vscode.l10n.t('“{0}” has no checkpoint yet. Take one first.', name);
    case 'noSecondCheckpoint':
      return vscode.l10n.t('“{0}” has no two checkpoints to compare. Take another one first.', name);
    case 'nothingToUndo':
      return vscode.l10n.t(
        '“{0}” has nothing to undo: no apply or revert kept an earlier state that is still there.',
        name,
      );
    case 'nothingToRedo':
      return vscode.l10n.t('“{0}” has nothing to redo: nothing was undone, or Now changed its place since.', name);
    case 'emptyTrash':
      return vscode.l10n.t('The trash of “{0}” is empty.', name);
    case 'mustBeStopped':
      return vscode.l10n.t('“{0}” is in use. Shut it down first.', name);
    case 'disksOnly':
      return vscode.l10n.t('“{0}” is plain disk images. Start and stop it in the program that uses them.', name);
  }
}

/** Why the list of machines to choose from would be empty although there are machines. */
export function noneText(operation: MachineOperation): string {
  switch (operation) {
    case 'start':
      return vscode.l10n.t('No machine is stopped, so there is none to start.');
    case 'stop':
    case 'pause':
      return vscode.l10n.t('No machine is running. Start one first.');
    case 'forceStop':
    case 'reset':
    case 'saveState':
    case 'openConsole':
      return vscode.l10n.t('No machine is running or paused. Start one first.');
    case 'discardState':
      return vscode.l10n.t('No machine is saved.');
    case 'resume':
      return vscode.l10n.t('No machine is paused.');
    case 'clone':
    case 'exportCheckpoint':
    case 'apply':
    case 'delete':
    case 'deleteForGood':
    case 'annotate':
    case 'rename':
    case 'revert':
      return vscode.l10n.t('No machine has a checkpoint yet. Take one first.');
    case 'compare':
      return vscode.l10n.t('No machine has two checkpoints yet. Take one first.');
    case 'exportMachine':
    case 'move':
    case 'flatten':
      return vscode.l10n.t('No machine of ours is stopped. Shut one down first.');
    case 'undo':
      return vscode.l10n.t('There is nothing to undo: no apply or revert kept an earlier state that is still there.');
    case 'redo':
      return vscode.l10n.t('There is nothing to redo: nothing was undone.');
    case 'restore':
    case 'emptyTrash':
      return vscode.l10n.t('The trash of every machine is empty.');
    case 'take':
    case 'mergeLayers':
    case 'editPolicy':
    case 'setGroup':
    case 'remove':
    case 'showCommand':
    case 'showDetails':
      return vscode.l10n.t('Every machine is damaged or not reachable. The tree tells what is wrong with each.');
  }
}
