import * as vscode from 'vscode';
import type { HostInfo } from '../../engine/protocol/machines.ts';
import { itemContext } from '../contributions/menus.ts';
import { placeOfHost } from './decorations.ts';
import { tooltip } from './tooltip.ts';
import { TreeNode } from './tree-node.ts';

export class HostNode extends TreeNode {
  host: HostInfo;

  constructor(host: HostInfo) {
    super(HostNode.idOf(host));
    this.host = host;
  }

  static idOf(host: HostInfo): string {
    return `host:${host.id}`;
  }

  override get place(): string {
    return placeOfHost(this.host.id);
  }

  override tooltip(): vscode.MarkdownString {
    const { label, version, accelerator, problem } = this.host;
    return tooltip(label, problem, [
      [vscode.l10n.t('Version'), version],
      [vscode.l10n.t('Accelerator'), accelerator],
    ]);
  }

  override item(): vscode.TreeItem {
    const { label, available, problem } = this.host;
    const item = new vscode.TreeItem(label, vscode.TreeItemCollapsibleState.Expanded);
    item.id = this.id;
    item.contextValue = itemContext('host', []);
    item.iconPath = available
      ? new vscode.ThemeIcon('server-environment')
      : new vscode.ThemeIcon('warning', new vscode.ThemeColor('list.warningForeground'));
    if (!available) {
      item.description = vscode.l10n.t('not available');
    }
    item.accessibilityInformation = {
      label: available
        ? vscode.l10n.t('Host {0}', label)
        : vscode.l10n.t('Host {0}, not available: {1}', label, problem ?? ''),
    };
    return item;
  }
}
