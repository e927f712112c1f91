import * as vscode from 'vscode';
import type { PastChange } from '../../engine/protocol/history.ts';

/** What a change of a machine was, such as `Took “before upgrade”`. */
export function pastChangeText({ operation, about = [] }: PastChange): string {
  const names = about.map((name) => `“${name}”`).join(', ');
  switch (operation) {
    case 'take':
    case 'take a group':
      return withNames(vscode.l10n.t('Took'), names);
    case 'apply':
    case 'apply a group':
      return withNames(vscode.l10n.t('Applied'), names);
    case 'undo':
      return withNames(vscode.l10n.t('Undid the last apply: back to'), names);
    case 'redo':
      return withNames(vscode.l10n.t('Redid the last apply: back to'), names);
    case 'delete':
    case 'delete a group':
      return withNames(vscode.l10n.t('Deleted'), names);
    case 'empty the trash':
    case 'discard':
      return withNames(vscode.l10n.t('Deleted for good'), names);
    case 'restore':
      return withNames(vscode.l10n.t('Restored'), names);
    case 'rename':
      return withNames(vscode.l10n.t('Renamed'), about.map((name) => `“${name}”`).join(' → '));
    case 'annotate':
      return withNames(vscode.l10n.t('Annotated'), names);
    case 'prune':
      return vscode.l10n.t('Pruned checkpoints');
    case 'free space':
      return vscode.l10n.t('Freed space');
    case 'policy':
      return vscode.l10n.t('Changed the retention policy');
    case 'merge':
    case 'relink':
      return vscode.l10n.t('Merged layers');
    case 'pack':
      return vscode.l10n.t('Packed memory');
    case 'start':
      return vscode.l10n.t('Started');
    case 'stop':
      return vscode.l10n.t('Shut down');
    case 'pause':
      return vscode.l10n.t('Paused');
    case 'resume':
      return vscode.l10n.t('Resumed');
    case 'reset':
      return vscode.l10n.t('Reset');
    case 'save':
      return vscode.l10n.t('Saved its state');
    case 'discard the saved state':
    case 'discard-state':
      return vscode.l10n.t('Discarded its saved state');
    case 'clone':
      return vscode.l10n.t('Cloned');
    case 'export':
      return vscode.l10n.t('Exported');
    case 'flatten':
      return vscode.l10n.t('Made independent');
    default:
      return withNames(operation, names);
  }
}

function withNames(what: string, names: string): string {
  return names === '' ? what : `${what} ${names}`;
}
