import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import { itemContext } from '../contributions/menus.ts';
import { guardText } from '../machines/guard-text.ts';
import { age, localTime } from '../presentation/age.ts';
import { NowNode } from './now-node.ts';
import { tooltip } from './tooltip.ts';
import { TreeNode } from './tree-node.ts';

/** A guarded command: the checkpoints before and after it are inside. */
export class GuardNode extends TreeNode {
  before: CheckpointInfo;

  constructor(machine: MachineInfo, before: CheckpointInfo) {
    super(GuardNode.idOf(machine, before));
    this.before = before;
  }

  static idOf(machine: MachineInfo, before: CheckpointInfo): string {
    return `guard:${machine.folder}:${before.id}`;
  }

  /** VS Code keeps a row as it saw it first: the step that Now grew from is open, an earlier one closed. */
  override get rowId(): string {
    return this.#holdsNow ? `${this.id}:now` : this.id;
  }

  get #holdsNow(): boolean {
    return this.children.some(({ children }) => children.some((one) => one instanceof NowNode));
  }

  override tooltip(): vscode.MarkdownString {
    const { before } = this;
    const command = before.guard?.command.join(' ') ?? before.name;
    return tooltip(command, undefined, [
      [vscode.l10n.t('Guarded command'), guardText(before)],
      [vscode.l10n.t('Began'), localTime(before.created)],
      [vscode.l10n.t('Ended'), before.guard?.end && localTime(before.guard.end.at)],
    ]);
  }

  override item(): vscode.TreeItem {
    const { before } = this;
    const command = before.guard?.command.join(' ') ?? before.name;
    const item = new vscode.TreeItem(
      command,
      this.#holdsNow ? vscode.TreeItemCollapsibleState.Expanded : vscode.TreeItemCollapsibleState.Collapsed,
    );
    item.id = this.rowId;
    item.contextValue = itemContext('guard', []);
    item.description = [guardText(before), age(before.created)].join(' · ');
    item.iconPath = new vscode.ThemeIcon(before.guard?.end?.exitCode === 0 ? 'shield' : 'warning');
    item.accessibilityInformation = {
      label: vscode.l10n.t('Guarded command {0}, {1}', command, guardText(before)),
    };
    return item;
  }
}
