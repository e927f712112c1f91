import * as vscode from 'vscode';
import type { PageTexts } from './page-model.ts';

/** Labels of the page. */
export function pageTexts(): PageTexts {
  return {
    graph: vscode.l10n.t('Checkpoints'),
    selected: vscode.l10n.t('Selected checkpoint'),
    facts: vscode.l10n.t('Facts'),
    actions: vscode.l10n.t('Actions'),
  };
}
