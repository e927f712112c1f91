/**
 * Every command, declared once: package.json and package.nls.json are written from here (see manifest.ts), and
 * commands/table.ts must implement each.
 */
interface CommandDeclaration {
  /** Ends in “…” when the command asks something before it acts. */
  title: string;
  icon?: `$(${string})`;
}

export const commands = {
  'vmCheckpoints.createMachine': { title: 'Create Machine…', icon: '$(add)' },
  'vmCheckpoints.addMachine': { title: 'Add Machine from Existing Disk…' },
  'vmCheckpoints.addDiskImages': { title: 'Add Disk Images…' },
  'vmCheckpoints.moveToGroup': { title: 'Move to Group…' },
  'vmCheckpoints.removeMachine': { title: 'Remove Machine…' },
  'vmCheckpoints.start': { title: 'Start Machine', icon: '$(play)' },
  'vmCheckpoints.stop': { title: 'Shut Down Machine', icon: '$(debug-stop)' },
  'vmCheckpoints.forceStop': { title: 'Force Off Machine…' },
  'vmCheckpoints.pause': { title: 'Pause Machine', icon: '$(debug-pause)' },
  'vmCheckpoints.resume': { title: 'Resume Machine', icon: '$(debug-continue)' },
  'vmCheckpoints.saveState': { title: 'Save Machine State', icon: '$(save)' },
  'vmCheckpoints.discardState': { title: 'Discard Saved State…' },
  'vmCheckpoints.reset': { title: 'Reset Machine…' },
  'vmCheckpoints.openConsole': { title: 'Open Console', icon: '$(terminal)' },
  'vmCheckpoints.take': { title: 'Take Checkpoint…', icon: '$(device-camera)' },
  'vmCheckpoints.apply': { title: 'Apply Checkpoint…', icon: '$(history)' },
  'vmCheckpoints.revert': { title: 'Revert…', icon: '$(discard)' },
  'vmCheckpoints.revertDiscard': { title: 'Revert and Discard Now…' },
  'vmCheckpoints.undo': { title: 'Undo Last Apply or Revert', icon: '$(reply)' },
  'vmCheckpoints.redo': { title: 'Redo', icon: '$(redo)' },
  'vmCheckpoints.delete': { title: 'Delete Checkpoint…', icon: '$(trash)' },
  'vmCheckpoints.deleteSubtree': { title: 'Delete Subtree…' },
  'vmCheckpoints.deleteForGood': { title: 'Delete for Good…' },
  'vmCheckpoints.restore': { title: 'Restore Deleted Checkpoint…', icon: '$(reply)' },
  'vmCheckpoints.emptyTrash': { title: 'Empty Trash…' },
  'vmCheckpoints.editNotes': { title: 'Edit Notes…' },
  'vmCheckpoints.pin': { title: 'Pin Checkpoint', icon: '$(pin)' },
  'vmCheckpoints.unpin': { title: 'Unpin Checkpoint', icon: '$(pinned)' },
  'vmCheckpoints.setColour': { title: 'Set Colour…' },
  'vmCheckpoints.rename': { title: 'Rename Checkpoint…' },
  'vmCheckpoints.compareWith': { title: 'Compare with…', icon: '$(diff)' },
  'vmCheckpoints.takeGroup': { title: 'Take Group Checkpoint…' },
  'vmCheckpoints.applyGroup': { title: 'Apply Group…', icon: '$(history)' },
  'vmCheckpoints.deleteGroup': { title: 'Delete Group…' },
  'vmCheckpoints.showDetails': { title: 'Show Details', icon: '$(type-hierarchy)' },
  'vmCheckpoints.clone': { title: 'Clone…' },
  'vmCheckpoints.exportMachine': { title: 'Export Machine…' },
  'vmCheckpoints.exportCheckpoint': { title: 'Export Disks…' },
  'vmCheckpoints.importMachine': { title: 'Import Machine…' },
  'vmCheckpoints.move': { title: 'Move Machine…' },
  'vmCheckpoints.flatten': { title: 'Flatten (Make Independent)…' },
  'vmCheckpoints.doctor': { title: 'Check for Problems…' },
  'vmCheckpoints.showSpace': { title: 'Show Space' },
  'vmCheckpoints.freeSpace': { title: 'Free Space…' },
  'vmCheckpoints.mergeLayers': { title: 'Merge Hidden Layers' },
  'vmCheckpoints.editPolicy': { title: 'Retention Policy…' },
  'vmCheckpoints.prune': { title: 'Prune Checkpoints…' },
  'vmCheckpoints.endGuard': { title: 'End Interrupted Guard…' },
  'vmCheckpoints.resumeJob': { title: 'Resume Interrupted Job', icon: '$(debug-continue)' },
  'vmCheckpoints.undoJob': { title: 'Undo Interrupted Job…', icon: '$(discard)' },
  'vmCheckpoints.cancelJob': { title: 'Cancel Job', icon: '$(debug-stop)' },
  'vmCheckpoints.showCommand': { title: 'Show Command…' },
  'vmCheckpoints.runTaskWithCheckpoint': { title: 'Run Task with Checkpoint…' },
  'vmCheckpoints.selectCheckpoints': { title: 'Select Checkpoints…', icon: '$(checklist)' },
  'vmCheckpoints.toggleChecked': { title: 'Check or Uncheck Checkpoint' },
  'vmCheckpoints.deleteSelected': { title: 'Delete Selected…', icon: '$(trash)' },
  'vmCheckpoints.compareSelected': { title: 'Compare Selected', icon: '$(diff)' },
  'vmCheckpoints.endSelection': { title: 'Done Selecting', icon: '$(check)' },
  'vmCheckpoints.filter': { title: 'Filter Machines…', icon: '$(filter)' },
  'vmCheckpoints.clearFilter': { title: 'Clear Filter', icon: '$(filter-filled)' },
  'vmCheckpoints.sort': { title: 'Sort Machines…' },
  'vmCheckpoints.refresh': { title: 'Refresh', icon: '$(refresh)' },
  'vmCheckpoints.showLog': { title: 'Show Log', icon: '$(output)' },
  'vmCheckpoints.restartEngine': { title: 'Restart Engine', icon: '$(debug-restart)' },
  'vmCheckpoints.showEngineInformation': { title: 'Show Engine Information', icon: '$(info)' },
  'vmCheckpoints.showEngineMenu': { title: 'Engine…' },
  'vmCheckpoints.showProblem': { title: 'Show Problem' },
} as const satisfies Record<`vmCheckpoints.${string}`, CommandDeclaration>;

export type CommandId = keyof typeof commands;

/** As the palette and the tooltips show them: `VM Checkpoints: Take Checkpoint…`. */
export const commandCategory = 'VM Checkpoints';
