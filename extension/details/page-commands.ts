/** Commands that the page may ask for: those of the context menus, with the questions that they ask. */
export const pageCommands = [
  'take',
  'apply',
  'revert',
  'undo',
  'redo',
  'start',
  'stop',
  'pause',
  'resume',
  'openConsole',
  'rename',
  'pin',
  'unpin',
  'setColour',
  'clone',
  'exportCheckpoint',
  'compareWith',
  'moveToGroup',
  'showCommand',
  'delete',
  'deleteSubtree',
  'endGuard',
] as const;

/** A command without the prefix of its id. */
export type PageCommand = (typeof pageCommands)[number];
