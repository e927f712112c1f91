import * as vscode from 'vscode';
import { consoleTitle } from '../machines/checkpoint-facts.ts';
import type { PageTexts } from './page-model.ts';

/** Labels of the page. */
export function pageTexts(): PageTexts {
  return {
    graph: vscode.l10n.t('Checkpoints'),
    selected: vscode.l10n.t('Selected checkpoint'),
    actions: vscode.l10n.t('Actions'),
    notes: vscode.l10n.t('Notes'),
    noNotes: vscode.l10n.t('None yet. What is written here is found again in the tree, and by “ckpt show”.'),
    console: consoleTitle(),
    save: vscode.l10n.t('Save'),
    discardDraft: vscode.l10n.t('Discard'),
    parts: vscode.l10n.t('Parts of the details'),
    tabs: {
      checkpoints: vscode.l10n.t('Checkpoints'),
      disks: vscode.l10n.t('Disks'),
      space: vscode.l10n.t('Space'),
      history: vscode.l10n.t('History'),
    },
    chain: vscode.l10n.t('Layers of its disks'),
    chainOfNow: vscode.l10n.t('What Now stands on, from the layer that is written down to the base'),
    otherLayers: vscode.l10n.t('Layers of other branches'),
    layer: vscode.l10n.t('Layer'),
    format: vscode.l10n.t('Format'),
    takes: vscode.l10n.t('Takes'),
    role: vscode.l10n.t('Why it is there'),
    what: vscode.l10n.t('What'),
    frees: vscode.l10n.t('Deleting it frees'),
    shared: vscode.l10n.t('Shared with others'),
    when: vscode.l10n.t('When'),
    how: vscode.l10n.t('How'),
    historyIs: vscode.l10n.t('What was done to this machine, here, in other windows and in a shell; the latest first.'),
  };
}
