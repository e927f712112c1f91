import * as vscode from 'vscode';
import type { PageTexts } from './page-model.ts';

/** Labels of the page. */
export function pageTexts(): PageTexts {
  return {
    graph: vscode.l10n.t('Checkpoints'),
    selected: vscode.l10n.t('Selected checkpoint'),
    facts: vscode.l10n.t('Facts'),
    actions: vscode.l10n.t('Actions'),
    notes: vscode.l10n.t('Notes'),
    noNotes: vscode.l10n.t('None yet. What is written here is found again in the tree, and by “ckpt show”.'),
    save: vscode.l10n.t('Save'),
    discardDraft: vscode.l10n.t('Discard'),
  };
}
