import * as vscode from 'vscode';
import { itemContext } from '../contributions/menus.ts';
import { stepText } from '../engine/step-text.ts';
import type { ShownJob } from '../machines/job-list.ts';
import { jobOperationText, progressText } from '../machines/job-text.ts';
import { tooltip } from './tooltip.ts';
import { TreeNode } from './tree-node.ts';

/** Long work: how far it is while it runs, and what can be done about it once it was interrupted. */
export class JobNode extends TreeNode {
  job: ShownJob;

  constructor(job: ShownJob) {
    super(JobNode.idOf(job));
    this.job = job;
  }

  static idOf(job: ShownJob): string {
    return `job:${job.id}`;
  }

  override tooltip(): vscode.MarkdownString {
    const { id, operation, state, progress } = this.job;
    const does = jobOperationText(operation);
    const isInterrupted = state === 'interrupted';
    return tooltip(
      does,
      isInterrupted
        ? vscode.l10n.t('Its process ended halfway. Nothing is lost: resume it, or undo what it began.')
        : progress && stepText(progress.message, vscode.l10n),
      [
        [vscode.l10n.t('Progress'), progressText(progress) || undefined],
        [vscode.l10n.t('Job'), id],
      ],
    );
  }

  override item(): vscode.TreeItem {
    const { operation, state, progress } = this.job;
    const does = jobOperationText(operation);
    const isInterrupted = state === 'interrupted';
    const item = new vscode.TreeItem(isInterrupted ? vscode.l10n.t('Interrupted: {0}', does) : does);
    item.id = this.id;
    item.contextValue = itemContext(isInterrupted ? 'interruptedJob' : 'runningJob', []);
    item.description = isInterrupted ? vscode.l10n.t('resume or undo') : progressText(progress);
    item.iconPath = isInterrupted
      ? new vscode.ThemeIcon('debug-disconnect', new vscode.ThemeColor('list.warningForeground'))
      : new vscode.ThemeIcon('loading~spin');
    item.accessibilityInformation = {
      label: isInterrupted
        ? vscode.l10n.t('Interrupted job: {0}. Resume or undo it from the context menu', does)
        : vscode.l10n.t('Job under way: {0} {1}', does, progressText(progress)),
    };
    return item;
  }
}
