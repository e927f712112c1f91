import * as vscode from 'vscode';
import type { HostInfo } from '../../engine/protocol/machines.ts';
import { itemContext } from '../contributions/menus.ts';
import { countMachines } from '../machines/descriptions.ts';
import { placeOfGroup } from './decorations.ts';
import { TreeNode } from './tree-node.ts';

/** A group of a host's machines; not to be taken for checkpoints that were taken together. */
export class MachineGroupNode extends TreeNode {
  host: HostInfo;
  readonly name: string;

  constructor(host: HostInfo, name: string) {
    super(MachineGroupNode.idOf(host, name));
    this.host = host;
    this.name = name;
  }

  static idOf(host: HostInfo, name: string): string {
    return `machineGroup:${host.id}:${name}`;
  }

  override get place(): string {
    return placeOfGroup(this.host.id, this.name);
  }

  override item(): vscode.TreeItem {
    const count = countMachines(this.children.length);
    const item = new vscode.TreeItem(this.name, vscode.TreeItemCollapsibleState.Expanded);
    item.id = this.id;
    item.contextValue = itemContext('machineGroup', []);
    item.description = count;
    item.iconPath = new vscode.ThemeIcon('folder');
    item.tooltip = vscode.l10n.t('Group of machines. Drag machines into it, or out of it.');
    item.accessibilityInformation = { label: vscode.l10n.t('Group of machines {0}, {1}', this.name, count) };
    return item;
  }
}
