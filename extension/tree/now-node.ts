import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { itemContext } from '../contributions/menus.ts';
import { describeMachine } from '../machines/descriptions.ts';
import { parentOfNow } from '../machines/possible.ts';
import { factsOf } from './facts.ts';
import { tooltip } from './tooltip.ts';
import { TreeNode } from './tree-node.ts';

export class NowNode extends TreeNode {
  machine: MachineInfo;

  constructor(machine: MachineInfo) {
    super(NowNode.idOf(machine));
    this.machine = machine;
  }

  static idOf(machine: MachineInfo): string {
    return `now:${machine.folder}`;
  }

  override tooltip(): vscode.MarkdownString {
    const { machine } = this;
    const parent = parentOfNow(machine);
    return tooltip(
      vscode.l10n.t('Now'),
      parent === undefined
        ? vscode.l10n.t('The present state of “{0}”, which has no checkpoint yet.', machine.name)
        : vscode.l10n.t('The present state of “{0}”, grown from “{1}”.', machine.name, parent.name),
      [],
    );
  }

  override item(): vscode.TreeItem {
    const { machine } = this;
    const parent = parentOfNow(machine);
    const item = new vscode.TreeItem(vscode.l10n.t('Now'), vscode.TreeItemCollapsibleState.None);
    item.id = this.id;
    item.contextValue = itemContext('now', factsOf(machine));
    item.description = describeMachine(machine);
    item.iconPath = new vscode.ThemeIcon('location', new vscode.ThemeColor('charts.blue'));
    item.accessibilityInformation = {
      label:
        parent === undefined
          ? vscode.l10n.t('Now, the present state of {0}, {1}', machine.name, describeMachine(machine))
          : vscode.l10n.t(
              'Now, the present state of {0}, {1}, grown from checkpoint {2}',
              machine.name,
              describeMachine(machine),
              parent.name,
            ),
    };
    return item;
  }
}
