/** Deleted checkpoints of a machine that can still be restored. */
import * as vscode from 'vscode';
import type { MachineInfo, TrashedInfo } from '../../engine/protocol/machines.ts';
import { itemContext } from '../contributions/menus.ts';
import { consistencyText, countCheckpoints } from '../machines/descriptions.ts';
import type { TrashSizes } from '../machines/trash-sizes.ts';
import { age, expiry, localTime } from '../presentation/age.ts';
import { formatSize } from '../presentation/size.ts';
import { tooltip } from './tooltip.ts';
import { TreeNode } from './tree-node.ts';

export class TrashNode extends TreeNode {
  machine: MachineInfo;
  readonly #sizes: TrashSizes;

  constructor(machine: MachineInfo, sizes: TrashSizes) {
    super(TrashNode.idOf(machine));
    this.machine = machine;
    this.#sizes = sizes;
  }

  static idOf(machine: MachineInfo): string {
    return `trash:${machine.folder}`;
  }

  override tooltip(): vscode.MarkdownString {
    const { machine } = this;
    const freed = this.#sizes.of(machine);
    const size = freed && formatSize(freed.mostBytes);
    return tooltip(
      vscode.l10n.t('Trash of “{0}”', machine.name),
      vscode.l10n.t('Each can be restored until it expires. Emptying the trash deletes them for good.'),
      [
        [vscode.l10n.t('Checkpoints'), String(machine.trash.length)],
        [vscode.l10n.t('Frees'), size && vscode.l10n.t('up to {0}', size)],
      ],
    );
  }

  override item(): vscode.TreeItem {
    const { machine } = this;
    const count = countCheckpoints(machine.trash.length);
    const freed = this.#sizes.of(machine);
    const size = freed && formatSize(freed.mostBytes);
    const item = new vscode.TreeItem(vscode.l10n.t('Trash'), vscode.TreeItemCollapsibleState.Collapsed);
    item.id = this.id;
    item.contextValue = itemContext('trash', []);
    item.description = [count, ...(size === undefined ? [] : [size])].join(' · ');
    item.iconPath = new vscode.ThemeIcon('trash');
    item.accessibilityInformation = {
      label: vscode.l10n.t('Trash of {0}, {1} {2}', machine.name, count, size ?? ''),
    };
    return item;
  }
}

export class TrashedNode extends TreeNode {
  machine: MachineInfo;
  trashed: TrashedInfo;

  constructor(machine: MachineInfo, trashed: TrashedInfo) {
    super(TrashedNode.idOf(machine, trashed));
    this.machine = machine;
    this.trashed = trashed;
  }

  static idOf(machine: MachineInfo, { checkpoint }: TrashedInfo): string {
    return `trashed:${machine.folder}:${checkpoint.id}`;
  }

  override tooltip(): vscode.MarkdownString {
    const { checkpoint, deleted, expires } = this.trashed;
    return tooltip(checkpoint.name, checkpoint.notes, [
      [vscode.l10n.t('Taken'), localTime(checkpoint.created)],
      [vscode.l10n.t('Deleted'), localTime(deleted)],
      [vscode.l10n.t('Goes for good'), localTime(expires)],
      [vscode.l10n.t('Consistency'), consistencyText(checkpoint.consistency)],
      [vscode.l10n.t('Id'), checkpoint.id],
    ]);
  }

  override item(): vscode.TreeItem {
    const { checkpoint, deleted, expires } = this.trashed;
    const item = new vscode.TreeItem(checkpoint.name);
    item.id = this.id;
    item.contextValue = itemContext('trashed', []);
    item.description = vscode.l10n.t('deleted {0} · {1}', age(deleted), expiry(expires));
    item.iconPath = new vscode.ThemeIcon(
      checkpoint.hasMemory ? 'circle-filled' : 'circle-outline',
      new vscode.ThemeColor('disabledForeground'),
    );
    item.accessibilityInformation = {
      label: vscode.l10n.t('Deleted checkpoint {0}, deleted {1}, {2}', checkpoint.name, age(deleted), expiry(expires)),
    };
    return item;
  }
}
