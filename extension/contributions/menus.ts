import type { CommandId } from './commands.ts';
import { filteredKey, machinesViewId, selectingKey } from './views.ts';

/**
 * What a tree item is, as its `contextValue`: the kind, then the facts that menus ask for, each between dots:
 * `.machine.running.canRevert.`
 */
export type ItemKind =
  | 'host'
  | 'machine'
  | 'checkpoint'
  | 'now'
  | 'problem'
  | 'trash'
  | 'trashed'
  | 'runningJob'
  | 'interruptedJob'
  | 'guard'
  | 'machineGroup'
  | 'groups'
  | 'group';
export type ItemFact =
  | 'running'
  | 'paused'
  | 'stopped'
  | 'saved'
  | 'damaged'
  | 'unreachable'
  | 'disks'
  | 'canRevert'
  | 'canUndo'
  | 'canRedo'
  | 'hasTrash'
  | 'pinned'
  | 'unpinned'
  | 'interruptedGuard';

export function itemContext(kind: ItemKind, facts: readonly ItemFact[]): string {
  return `.${[kind, ...facts].join('.')}.`;
}

interface MenuEntry {
  command: CommandId;
  when?: string;
  group?: string;
}

const inView = `view == ${machinesViewId}`;

/** Condition on the tree item: its kind, and facts of which at least one must hold. */
function item(kind: ItemKind, ...anyOf: ItemFact[]): string {
  return anyOf.length === 0
    ? `${inView} && viewItem =~ /^\\.${kind}\\./`
    : `${inView} && viewItem =~ /^\\.${kind}\\.(.*\\.)?(${anyOf.join('|')})\\./`;
}

/** Nothing is started or changed in an untrusted workspace: what would, is offered in trusted ones only. */
function trusted(condition: string): string {
  return `${condition} && isWorkspaceTrusted`;
}

/** Context key of VS Code's lists: several rows are selected. */
const severalSelected = 'listMultiSelection';

/** What acts on one row is not offered on several; icons at the end of a row are of that row. */
function ofOneRow(entries: readonly MenuEntry[]): MenuEntry[] {
  const ofSeveral: readonly CommandId[] = [
    'vmCheckpoints.delete',
    'vmCheckpoints.compareSelected',
    'vmCheckpoints.moveToGroup',
  ];
  return entries.map((entry) =>
    ofSeveral.includes(entry.command) || entry.group?.startsWith('inline') === true
      ? entry
      : { ...entry, when: `${entry.when ?? inView} && !${severalSelected}` },
  );
}

const off = ['stopped', 'saved'] as const;
const up = ['running', 'paused'] as const;
/** Nobody of ours uses its disks. */
const idle = [...off, 'disks'] as const;
const undamaged = [...up, ...idle] as const;

export const menus: Readonly<Record<'commandPalette' | 'view/title' | 'view/item/context', readonly MenuEntry[]>> = {
  commandPalette: [
    { command: 'vmCheckpoints.showProblem', when: 'false' },
    { command: 'vmCheckpoints.clearFilter', when: filteredKey },
    { command: 'vmCheckpoints.toggleChecked', when: 'false' },
    { command: 'vmCheckpoints.endSelection', when: selectingKey },
  ],
  'view/title': [
    { command: 'vmCheckpoints.createMachine', when: trusted(`${inView} && !${selectingKey}`), group: 'navigation@1' },
    { command: 'vmCheckpoints.refresh', when: `${inView} && !${selectingKey}`, group: 'navigation@2' },
    { command: 'vmCheckpoints.compareSelected', when: `${inView} && ${selectingKey}`, group: 'navigation@1' },
    { command: 'vmCheckpoints.deleteSelected', when: trusted(`${inView} && ${selectingKey}`), group: 'navigation@2' },
    { command: 'vmCheckpoints.endSelection', when: `${inView} && ${selectingKey}`, group: 'navigation@3' },
    { command: 'vmCheckpoints.clearFilter', when: `${inView} && ${filteredKey}`, group: 'navigation@0' },
    { command: 'vmCheckpoints.filter', when: inView, group: '0_look@1' },
    { command: 'vmCheckpoints.sort', when: inView, group: '0_look@2' },
    { command: 'vmCheckpoints.selectCheckpoints', when: `${inView} && !${selectingKey}`, group: '0_look@3' },
    { command: 'vmCheckpoints.addMachine', when: trusted(inView), group: '1_machines@1' },
    { command: 'vmCheckpoints.addDiskImages', when: trusted(inView), group: '1_machines@2' },
    { command: 'vmCheckpoints.importMachine', when: trusted(inView), group: '1_machines@3' },
    { command: 'vmCheckpoints.takeGroup', when: trusted(inView), group: '2_tasks@1' },
    { command: 'vmCheckpoints.runTaskWithCheckpoint', when: trusted(inView), group: '2_tasks@2' },
    { command: 'vmCheckpoints.showSpace', when: inView, group: '3_health@1' },
    { command: 'vmCheckpoints.freeSpace', when: trusted(inView), group: '3_health@2' },
    { command: 'vmCheckpoints.doctor', when: trusted(inView), group: '3_health@3' },
    { command: 'vmCheckpoints.prune', when: trusted(inView), group: '3_health@4' },
    { command: 'vmCheckpoints.showLog', when: inView, group: '4_engine@1' },
    { command: 'vmCheckpoints.showEngineInformation', when: inView, group: '4_engine@2' },
    { command: 'vmCheckpoints.restartEngine', when: inView, group: '4_engine@3' },
  ],
  'view/item/context': ofOneRow([
    { command: 'vmCheckpoints.start', when: trusted(item('machine', ...off)), group: 'inline@1' },
    { command: 'vmCheckpoints.resume', when: trusted(item('machine', 'paused')), group: 'inline@1' },
    { command: 'vmCheckpoints.stop', when: trusted(item('machine', 'running')), group: 'inline@1' },
    { command: 'vmCheckpoints.openConsole', when: trusted(item('machine', ...up)), group: 'inline@2' },
    { command: 'vmCheckpoints.take', when: trusted(item('machine', ...undamaged)), group: 'inline@3' },
    { command: 'vmCheckpoints.apply', when: trusted(item('checkpoint', ...undamaged)), group: 'inline@1' },
    { command: 'vmCheckpoints.revert', when: trusted(item('now', 'canRevert')), group: 'inline@1' },
    { command: 'vmCheckpoints.take', when: trusted(item('now', ...undamaged)), group: 'inline@2' },
    { command: 'vmCheckpoints.restore', when: trusted(item('trashed')), group: 'inline@1' },
    { command: 'vmCheckpoints.applyGroup', when: trusted(item('group')), group: 'inline@1' },
    { command: 'vmCheckpoints.cancelJob', when: trusted(item('runningJob')), group: 'inline@1' },
    { command: 'vmCheckpoints.resumeJob', when: trusted(item('interruptedJob')), group: 'inline@1' },
    { command: 'vmCheckpoints.undoJob', when: trusted(item('interruptedJob')), group: 'inline@2' },

    { command: 'vmCheckpoints.createMachine', when: trusted(item('host')), group: '1_machines@1' },
    { command: 'vmCheckpoints.addMachine', when: trusted(item('host')), group: '1_machines@2' },
    { command: 'vmCheckpoints.addDiskImages', when: trusted(item('host')), group: '1_machines@3' },
    { command: 'vmCheckpoints.importMachine', when: trusted(item('host')), group: '1_machines@4' },

    { command: 'vmCheckpoints.start', when: trusted(item('machine', ...off)), group: '1_power@1' },
    { command: 'vmCheckpoints.resume', when: trusted(item('machine', 'paused')), group: '1_power@1' },
    { command: 'vmCheckpoints.pause', when: trusted(item('machine', 'running')), group: '1_power@2' },
    { command: 'vmCheckpoints.stop', when: trusted(item('machine', 'running')), group: '1_power@3' },
    { command: 'vmCheckpoints.saveState', when: trusted(item('machine', ...up)), group: '1_power@4' },
    { command: 'vmCheckpoints.reset', when: trusted(item('machine', ...up)), group: '1_power@5' },
    { command: 'vmCheckpoints.forceStop', when: trusted(item('machine', ...up)), group: '1_power@6' },
    { command: 'vmCheckpoints.discardState', when: trusted(item('machine', 'saved')), group: '1_power@7' },
    { command: 'vmCheckpoints.openConsole', when: trusted(item('machine', ...up)), group: '2_console@1' },
    { command: 'vmCheckpoints.take', when: trusted(item('machine', ...undamaged)), group: '3_checkpoints@1' },
    { command: 'vmCheckpoints.revert', when: trusted(item('machine', 'canRevert')), group: '3_checkpoints@2' },
    { command: 'vmCheckpoints.revertDiscard', when: trusted(item('machine', 'canRevert')), group: '3_checkpoints@3' },
    { command: 'vmCheckpoints.undo', when: trusted(item('machine', 'canUndo')), group: '3_checkpoints@4' },
    { command: 'vmCheckpoints.redo', when: trusted(item('machine', 'canRedo')), group: '3_checkpoints@5' },
    { command: 'vmCheckpoints.restore', when: trusted(item('machine', 'hasTrash')), group: '5_trash@1' },
    { command: 'vmCheckpoints.emptyTrash', when: trusted(item('machine', 'hasTrash')), group: '5_trash@2' },
    { command: 'vmCheckpoints.clone', when: trusted(item('machine', ...undamaged)), group: '6_copies@1' },
    { command: 'vmCheckpoints.exportMachine', when: trusted(item('machine', ...idle)), group: '6_copies@2' },
    { command: 'vmCheckpoints.move', when: trusted(item('machine', ...idle)), group: '6_copies@3' },
    { command: 'vmCheckpoints.flatten', when: trusted(item('machine', ...idle)), group: '6_copies@4' },
    { command: 'vmCheckpoints.showDetails', when: item('machine', ...undamaged), group: '7_health@0' },
    { command: 'vmCheckpoints.showSpace', when: item('machine', ...undamaged), group: '7_health@1' },
    { command: 'vmCheckpoints.editPolicy', when: trusted(item('machine', ...undamaged)), group: '7_health@2' },
    { command: 'vmCheckpoints.doctor', when: trusted(item('machine')), group: '7_health@3' },
    { command: 'vmCheckpoints.moveToGroup', when: trusted(item('machine', ...undamaged)), group: '4_edit@1' },
    { command: 'vmCheckpoints.mergeLayers', when: trusted(item('machine', ...undamaged)), group: '7_health@4' },
    { command: 'vmCheckpoints.showCommand', when: item('machine', ...undamaged), group: '8_command@1' },
    { command: 'vmCheckpoints.removeMachine', when: trusted(item('machine')), group: '9_remove@1' },

    { command: 'vmCheckpoints.take', when: trusted(item('now', ...undamaged)), group: '3_checkpoints@1' },
    { command: 'vmCheckpoints.revert', when: trusted(item('now', 'canRevert')), group: '3_checkpoints@2' },
    { command: 'vmCheckpoints.revertDiscard', when: trusted(item('now', 'canRevert')), group: '3_checkpoints@3' },
    { command: 'vmCheckpoints.undo', when: trusted(item('now', 'canUndo')), group: '3_checkpoints@4' },
    { command: 'vmCheckpoints.redo', when: trusted(item('now', 'canRedo')), group: '3_checkpoints@5' },
    { command: 'vmCheckpoints.showDetails', when: item('now', ...undamaged), group: '7_health@0' },
    { command: 'vmCheckpoints.showCommand', when: item('now', ...undamaged), group: '8_command@1' },

    { command: 'vmCheckpoints.apply', when: trusted(item('checkpoint', ...undamaged)), group: '3_checkpoints@1' },
    { command: 'vmCheckpoints.rename', when: trusted(item('checkpoint', ...undamaged)), group: '4_edit@1' },
    { command: 'vmCheckpoints.editNotes', when: trusted(item('checkpoint', ...undamaged)), group: '4_edit@2' },
    { command: 'vmCheckpoints.pin', when: trusted(item('checkpoint', 'unpinned')), group: '4_edit@3' },
    { command: 'vmCheckpoints.unpin', when: trusted(item('checkpoint', 'pinned')), group: '4_edit@3' },
    { command: 'vmCheckpoints.setColour', when: trusted(item('checkpoint', ...undamaged)), group: '4_edit@4' },
    { command: 'vmCheckpoints.clone', when: trusted(item('checkpoint', ...undamaged)), group: '6_copies@1' },
    { command: 'vmCheckpoints.exportCheckpoint', when: trusted(item('checkpoint', ...undamaged)), group: '6_copies@2' },
    { command: 'vmCheckpoints.showDetails', when: item('checkpoint', ...undamaged), group: '7_health@0' },
    { command: 'vmCheckpoints.compareWith', when: item('checkpoint', ...undamaged), group: '7_health@1' },
    { command: 'vmCheckpoints.showCommand', when: item('checkpoint', ...undamaged), group: '8_command@1' },
    {
      command: 'vmCheckpoints.selectCheckpoints',
      when: `${item('checkpoint', ...undamaged)} && !${selectingKey}`,
      group: '8_command@2',
    },
    {
      command: 'vmCheckpoints.compareSelected',
      when: `${item('checkpoint')} && ${severalSelected}`,
      group: '8_command@3',
    },
    { command: 'vmCheckpoints.delete', when: trusted(item('checkpoint', ...undamaged)), group: '9_remove@1' },
    { command: 'vmCheckpoints.deleteSubtree', when: trusted(item('checkpoint', ...undamaged)), group: '9_remove@2' },
    { command: 'vmCheckpoints.deleteForGood', when: trusted(item('checkpoint', ...undamaged)), group: '9_remove@3' },

    { command: 'vmCheckpoints.restore', when: trusted(item('trash')), group: '5_trash@1' },
    { command: 'vmCheckpoints.emptyTrash', when: trusted(item('trash')), group: '9_remove@1' },
    { command: 'vmCheckpoints.restore', when: trusted(item('trashed')), group: '5_trash@1' },
    { command: 'vmCheckpoints.deleteForGood', when: trusted(item('trashed')), group: '9_remove@1' },

    { command: 'vmCheckpoints.takeGroup', when: trusted(item('groups')), group: '3_checkpoints@1' },
    { command: 'vmCheckpoints.applyGroup', when: trusted(item('group')), group: '3_checkpoints@1' },
    { command: 'vmCheckpoints.deleteGroup', when: trusted(item('group')), group: '9_remove@1' },

    { command: 'vmCheckpoints.cancelJob', when: trusted(item('runningJob')), group: '1_job@1' },
    { command: 'vmCheckpoints.endGuard', when: trusted(item('checkpoint', 'interruptedGuard')), group: '1_job@1' },
    { command: 'vmCheckpoints.resumeJob', when: trusted(item('interruptedJob')), group: '1_job@1' },
    { command: 'vmCheckpoints.undoJob', when: trusted(item('interruptedJob')), group: '1_job@2' },

    { command: 'vmCheckpoints.refresh', when: item('problem'), group: '1_problem@1' },
  ]),
};

interface KeybindingEntry {
  command: CommandId;
  key: string;
  mac?: string;
  when: string;
  /** What the command gets in place of a tree item; absent for one that finds out itself where the keyboard is. */
  args?: { selection: true };
}

/** Keys that the lists of VS Code use, for the item selected in the view. */
export const keybindings: readonly KeybindingEntry[] = [
  {
    command: 'vmCheckpoints.rename',
    key: 'f2',
    when: `focusedView == ${machinesViewId} && isWorkspaceTrusted`,
    args: { selection: true },
  },
  {
    command: 'vmCheckpoints.delete',
    key: 'delete',
    mac: 'cmd+backspace',
    when: `focusedView == ${machinesViewId} && isWorkspaceTrusted`,
    args: { selection: true },
  },
  {
    command: 'vmCheckpoints.toggleChecked',
    key: 'space',
    when: `focusedView == ${machinesViewId} && ${selectingKey}`,
  },
  {
    command: 'vmCheckpoints.showDetails',
    key: 'alt+enter',
    when: `focusedView == ${machinesViewId}`,
    args: { selection: true },
  },
];
