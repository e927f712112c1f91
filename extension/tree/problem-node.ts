import * as vscode from 'vscode';
import type { CommandId } from '../contributions/commands.ts';
import { itemContext } from '../contributions/menus.ts';
import { tooltip } from './tooltip.ts';
import { TreeNode } from './tree-node.ts';

/** What is wrong with the host or machine above it; a click shows the whole sentence. */
export class ProblemNode extends TreeNode {
  problem: string;

  constructor(parentId: string, problem: string) {
    super(ProblemNode.idOf(parentId));
    this.problem = problem;
  }

  static idOf(parentId: string): string {
    return `problem:${parentId}`;
  }

  override tooltip(): vscode.MarkdownString {
    return tooltip(vscode.l10n.t('Problem'), this.problem, []);
  }

  override item(): vscode.TreeItem {
    const item = new vscode.TreeItem(this.problem, vscode.TreeItemCollapsibleState.None);
    item.id = this.id;
    item.contextValue = itemContext('problem', []);
    item.iconPath = new vscode.ThemeIcon('warning', new vscode.ThemeColor('list.warningForeground'));
    const command: CommandId = 'vmCheckpoints.showProblem';
    item.command = { command, title: vscode.l10n.t('Show Problem'), arguments: [this] };
    item.accessibilityInformation = { label: vscode.l10n.t('Problem: {0}', this.problem) };
    return item;
  }
}
