/** Checkpoints of several machines that were taken together, and are applied and deleted together. */
import * as vscode from 'vscode';
import { itemContext } from '../contributions/menus.ts';
import { achievedTexts } from '../machines/descriptions.ts';
import type { CheckpointGroup } from '../machines/groups.ts';
import { age, localTime } from '../presentation/age.ts';
import { tooltip } from './tooltip.ts';
import { TreeNode } from './tree-node.ts';

export class GroupsNode extends TreeNode {
  static readonly id = 'groups';

  constructor() {
    super(GroupsNode.id);
  }

  override item(): vscode.TreeItem {
    const item = new vscode.TreeItem(vscode.l10n.t('Groups'), vscode.TreeItemCollapsibleState.Expanded);
    item.id = this.id;
    item.contextValue = itemContext('groups', []);
    item.iconPath = new vscode.ThemeIcon('layers');
    item.tooltip = vscode.l10n.t('Checkpoints of several machines that were taken together');
    return item;
  }
}

export class GroupNode extends TreeNode {
  group: CheckpointGroup;

  constructor(group: CheckpointGroup) {
    super(GroupNode.idOf(group));
    this.group = group;
  }

  static idOf(group: CheckpointGroup): string {
    return `group:${group.id}`;
  }

  override tooltip(): vscode.MarkdownString {
    const { name, created, members } = this.group;
    const machines = achievedTexts({
      members: members.map(({ machine, checkpoint }) => ({ machine: machine.name, checkpoint })),
    });
    return tooltip(name, undefined, [
      [vscode.l10n.t('Taken'), localTime(created)],
      [vscode.l10n.t('Machines'), machines],
    ]);
  }

  override item(): vscode.TreeItem {
    const { name, created, members } = this.group;
    const machines = members.map(({ machine }) => machine.name).join(', ');
    const item = new vscode.TreeItem(name);
    item.id = this.id;
    item.contextValue = itemContext('group', []);
    item.description = `${age(created)} · ${machines}`;
    item.iconPath = new vscode.ThemeIcon('layers-active');
    item.accessibilityInformation = { label: vscode.l10n.t('Group {0}, {1}, of {2}', name, age(created), machines) };
    return item;
  }
}
