/** Every declared command with what it does, and whether a workspace that is not trusted may do it. */
import * as vscode from 'vscode';
import type { CheckpointsContext } from '../context.ts';
import type { CommandId } from '../contributions/commands.ts';
import { commands } from '../contributions/commands.ts';
import { engineErrorFrom } from '../engine/engine-error.ts';
import { tellFailure } from '../operations/perform.ts';
import { editNotes, pin, setColour, unpin } from './checkpoint/annotate.ts';
import { apply } from './checkpoint/apply.ts';
import { compareWith } from './checkpoint/compare-with.ts';
import { deleteForGood } from './checkpoint/delete-for-good.ts';
import { deleteCheckpoint, deleteSubtree } from './checkpoint/delete.ts';
import { redo } from './checkpoint/redo.ts';
import { rename } from './checkpoint/rename.ts';
import { revert, revertDiscard } from './checkpoint/revert.ts';
import { take } from './checkpoint/take.ts';
import { emptyTrash, restore } from './checkpoint/trash.ts';
import { undo } from './checkpoint/undo.ts';
import type { CommandHandler } from './command.ts';
import { clone } from './copy/clone.ts';
import { exportCheckpoint, exportMachine } from './copy/export.ts';
import { flatten } from './copy/flatten.ts';
import { importMachine } from './copy/import.ts';
import { move } from './copy/move.ts';
import { refresh } from './engine/refresh.ts';
import { restartEngine } from './engine/restart-engine.ts';
import { showEngineInformation } from './engine/show-engine-information.ts';
import { showEngineMenu } from './engine/show-engine-menu.ts';
import { showLog } from './engine/show-log.ts';
import { showProblem } from './engine/show-problem.ts';
import { applyGroup, deleteGroup, takeGroup } from './group/group-commands.ts';
import { showDetails } from './details/show-details.ts';
import { endGuard } from './guard/end-guard.ts';
import { doctor } from './health/doctor.ts';
import { freeSpace } from './health/free-space.ts';
import { mergeLayers } from './health/merge-layers.ts';
import { showSpace } from './health/show-space.ts';
import { cancelJob, resumeJob, undoJob } from './job/job-commands.ts';
import { isFromKey } from './keys.ts';
import { addDiskImages } from './machine/add-disk-images.ts';
import { addMachine } from './machine/add-machine.ts';
import { createMachine } from './machine/create-machine.ts';
import { forceStop } from './machine/force-stop.ts';
import { moveToGroup } from './machine/move-to-group.ts';
import { openConsole } from './machine/open-console.ts';
import { pause } from './machine/pause.ts';
import { removeMachine } from './machine/remove-machine.ts';
import { reset } from './machine/reset.ts';
import { resume } from './machine/resume.ts';
import { discardState, saveState } from './machine/saved-state.ts';
import { start } from './machine/start.ts';
import { stop } from './machine/stop.ts';
import { editPolicy } from './retention/edit-policy.ts';
import { prune } from './retention/prune.ts';
import { compareSelected } from './selection/compare-selected.ts';
import { deleteSelected } from './selection/delete-selected.ts';
import { endSelection, selectCheckpoints, toggleChecked } from './selection/selection-mode.ts';
import { showCommand } from './shell/show-command.ts';
import { runTaskWithCheckpoint } from './task/run-task-with-checkpoint.ts';
import { clearFilter, filter } from './view/filter.ts';
import { sort } from './view/sort.ts';

interface TableEntry {
  run: CommandHandler;
  /** `changes`: starts or changes something, so it needs trust. `shows`: always allowed. */
  effect: 'changes' | 'shows';
}

const table: Record<CommandId, TableEntry> = {
  'vmCheckpoints.createMachine': { run: createMachine, effect: 'changes' },
  'vmCheckpoints.addMachine': { run: addMachine, effect: 'changes' },
  'vmCheckpoints.moveToGroup': { run: moveToGroup, effect: 'changes' },
  'vmCheckpoints.removeMachine': { run: removeMachine, effect: 'changes' },
  'vmCheckpoints.start': { run: start, effect: 'changes' },
  'vmCheckpoints.stop': { run: stop, effect: 'changes' },
  'vmCheckpoints.forceStop': { run: forceStop, effect: 'changes' },
  'vmCheckpoints.pause': { run: pause, effect: 'changes' },
  'vmCheckpoints.resume': { run: resume, effect: 'changes' },
  'vmCheckpoints.saveState': { run: saveState, effect: 'changes' },
  'vmCheckpoints.discardState': { run: discardState, effect: 'changes' },
  'vmCheckpoints.reset': { run: reset, effect: 'changes' },
  'vmCheckpoints.openConsole': { run: openConsole, effect: 'changes' },
  'vmCheckpoints.take': { run: take, effect: 'changes' },
  'vmCheckpoints.apply': { run: apply, effect: 'changes' },
  'vmCheckpoints.revert': { run: revert, effect: 'changes' },
  'vmCheckpoints.revertDiscard': { run: revertDiscard, effect: 'changes' },
  'vmCheckpoints.undo': { run: undo, effect: 'changes' },
  'vmCheckpoints.delete': { run: deleteCheckpoint, effect: 'changes' },
  'vmCheckpoints.redo': { run: redo, effect: 'changes' },
  'vmCheckpoints.deleteSubtree': { run: deleteSubtree, effect: 'changes' },
  'vmCheckpoints.deleteForGood': { run: deleteForGood, effect: 'changes' },
  'vmCheckpoints.restore': { run: restore, effect: 'changes' },
  'vmCheckpoints.emptyTrash': { run: emptyTrash, effect: 'changes' },
  'vmCheckpoints.editNotes': { run: editNotes, effect: 'changes' },
  'vmCheckpoints.pin': { run: pin, effect: 'changes' },
  'vmCheckpoints.unpin': { run: unpin, effect: 'changes' },
  'vmCheckpoints.setColour': { run: setColour, effect: 'changes' },
  'vmCheckpoints.addDiskImages': { run: addDiskImages, effect: 'changes' },
  'vmCheckpoints.rename': { run: rename, effect: 'changes' },
  'vmCheckpoints.compareWith': { run: compareWith, effect: 'shows' },
  'vmCheckpoints.runTaskWithCheckpoint': { run: runTaskWithCheckpoint, effect: 'changes' },
  'vmCheckpoints.takeGroup': { run: takeGroup, effect: 'changes' },
  'vmCheckpoints.applyGroup': { run: applyGroup, effect: 'changes' },
  'vmCheckpoints.deleteGroup': { run: deleteGroup, effect: 'changes' },
  'vmCheckpoints.showDetails': { run: showDetails, effect: 'shows' },
  'vmCheckpoints.clone': { run: clone, effect: 'changes' },
  'vmCheckpoints.exportMachine': { run: exportMachine, effect: 'changes' },
  'vmCheckpoints.exportCheckpoint': { run: exportCheckpoint, effect: 'changes' },
  'vmCheckpoints.importMachine': { run: importMachine, effect: 'changes' },
  'vmCheckpoints.move': { run: move, effect: 'changes' },
  'vmCheckpoints.flatten': { run: flatten, effect: 'changes' },
  'vmCheckpoints.doctor': { run: doctor, effect: 'changes' },
  'vmCheckpoints.showSpace': { run: showSpace, effect: 'shows' },
  'vmCheckpoints.freeSpace': { run: freeSpace, effect: 'changes' },
  'vmCheckpoints.mergeLayers': { run: mergeLayers, effect: 'changes' },
  'vmCheckpoints.editPolicy': { run: editPolicy, effect: 'changes' },
  'vmCheckpoints.prune': { run: prune, effect: 'changes' },
  'vmCheckpoints.endGuard': { run: endGuard, effect: 'changes' },
  'vmCheckpoints.resumeJob': { run: resumeJob, effect: 'changes' },
  'vmCheckpoints.undoJob': { run: undoJob, effect: 'changes' },
  'vmCheckpoints.cancelJob': { run: cancelJob, effect: 'changes' },
  'vmCheckpoints.showCommand': { run: showCommand, effect: 'shows' },
  'vmCheckpoints.selectCheckpoints': { run: selectCheckpoints, effect: 'shows' },
  'vmCheckpoints.toggleChecked': { run: toggleChecked, effect: 'shows' },
  'vmCheckpoints.deleteSelected': { run: deleteSelected, effect: 'changes' },
  'vmCheckpoints.compareSelected': { run: compareSelected, effect: 'shows' },
  'vmCheckpoints.endSelection': { run: endSelection, effect: 'shows' },
  'vmCheckpoints.filter': { run: filter, effect: 'shows' },
  'vmCheckpoints.clearFilter': { run: clearFilter, effect: 'shows' },
  'vmCheckpoints.sort': { run: sort, effect: 'shows' },
  'vmCheckpoints.refresh': { run: refresh, effect: 'shows' },
  'vmCheckpoints.showLog': { run: showLog, effect: 'shows' },
  'vmCheckpoints.restartEngine': { run: restartEngine, effect: 'shows' },
  'vmCheckpoints.showEngineInformation': { run: showEngineInformation, effect: 'shows' },
  'vmCheckpoints.showEngineMenu': { run: showEngineMenu, effect: 'shows' },
  'vmCheckpoints.showProblem': { run: showProblem, effect: 'shows' },
};

export function registerCommands(context: CheckpointsContext): vscode.Disposable {
  const ids = Object.keys(commands).filter((id): id is CommandId => id in table);
  return vscode.Disposable.from(
    ...ids.map((id) =>
      vscode.commands.registerCommand(id, (argument: unknown, selected: unknown) =>
        run(context, table[id], argument, selected),
      ),
    ),
  );
}

async function run(
  context: CheckpointsContext,
  { run: handler, effect }: TableEntry,
  argument: unknown,
  selected: unknown,
): Promise<unknown> {
  if (effect === 'changes' && !vscode.workspace.isTrusted) {
    explainTrust();
    return undefined;
  }
  try {
    if (isFromKey(argument)) {
      await context.view.selectionKnown();
    }
    return await handler(context, argument, selected);
  } catch (error) {
    tellFailure(context, engineErrorFrom(error));
    return undefined;
  }
}

function explainTrust(): void {
  const manage = vscode.l10n.t('Manage Workspace Trust');
  void vscode.window
    .showWarningMessage(
      vscode.l10n.t('This workspace is not trusted: no machine is started or changed until it is.'),
      manage,
    )
    .then((choice) => choice && vscode.commands.executeCommand('workbench.trust.manage'));
}
