import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import { itemContext } from '../contributions/menus.ts';
import {
  consistencyText,
  createdByText,
  describeCheckpoint,
  firmwareText,
  memoryMethodText,
} from '../machines/descriptions.ts';
import { guardState } from '../machines/guard-text.ts';
import { expiry, localTime } from '../presentation/age.ts';
import { formatDuration } from '../presentation/duration.ts';
import { formatSize } from '../presentation/size.ts';
import { factsOf } from './facts.ts';
import { tooltip } from './tooltip.ts';
import { TreeNode } from './tree-node.ts';

export class CheckpointNode extends TreeNode {
  machine: MachineInfo;
  checkpoint: CheckpointInfo;
  /** Its parent, which may be the row above it; absent for a root. */
  grewFrom: CheckpointInfo | undefined;

  constructor(machine: MachineInfo, checkpoint: CheckpointInfo) {
    super(CheckpointNode.idOf(machine, checkpoint));
    this.machine = machine;
    this.checkpoint = checkpoint;
  }

  static idOf(machine: MachineInfo, checkpoint: CheckpointInfo): string {
    return `checkpoint:${machine.folder}:${checkpoint.id}`;
  }

  override item(): vscode.TreeItem {
    const { machine, checkpoint, grewFrom } = this;
    const item = new vscode.TreeItem(
      checkpoint.name,
      this.children.length > 0 ? vscode.TreeItemCollapsibleState.Expanded : vscode.TreeItemCollapsibleState.None,
    );
    // VS Code keeps a row as collapsed as it saw it first: one that gets its first child is another one, and expanded.
    item.id = this.children.length > 0 ? `${this.id}:parent` : this.id;
    const guarded = guardState(machine, checkpoint);
    const isInterrupted = machine.guards?.some(
      (one) => one.checkpoint === checkpoint.id && one.state === 'interrupted',
    );
    item.contextValue = itemContext('checkpoint', [
      ...factsOf(machine),
      ...(isInterrupted === true ? (['interruptedGuard'] as const) : []),
      checkpoint.pinned === true ? 'pinned' : 'unpinned',
    ]);
    const description = [...(guarded === undefined ? [] : [guarded]), describeCheckpoint(checkpoint)].join(' · ');
    item.description = description;
    item.iconPath = checkpointIcon(checkpoint);
    item.tooltip = tooltip(checkpoint.name, checkpoint.notes, [
      [vscode.l10n.t('Grew from'), grewFrom?.name],
      [vscode.l10n.t('Taken'), localTime(checkpoint.created)],
      [vscode.l10n.t('Why'), createdByText(checkpoint.createdBy)],
      [vscode.l10n.t('Guarded command'), checkpoint.guard?.command.join(' ')],
      [vscode.l10n.t('Guard'), guarded],
      [
        vscode.l10n.t('Expires'),
        checkpoint.expires && `${localTime(checkpoint.expires)} (${expiry(checkpoint.expires)})`,
      ],
      [vscode.l10n.t('Memory'), memoryText(checkpoint)],
      [vscode.l10n.t('Consistency'), consistencyText(checkpoint.consistency)],
      [vscode.l10n.t('Stood still'), checkpoint.pauseMs === undefined ? undefined : formatDuration(checkpoint.pauseMs)],
      [vscode.l10n.t('Took'), checkpoint.totalMs === undefined ? undefined : formatDuration(checkpoint.totalMs)],
      [vscode.l10n.t('Firmware'), firmwareText(machine)],
      [vscode.l10n.t('Git'), checkpoint.git && gitText(checkpoint.git)],
      [vscode.l10n.t('Id'), checkpoint.id],
    ]);
    item.accessibilityInformation = {
      label:
        grewFrom === undefined
          ? vscode.l10n.t('Checkpoint {0}, {1}', checkpoint.name, description)
          : vscode.l10n.t('Checkpoint {0}, {1}, grown from {2}', checkpoint.name, description, grewFrom.name),
    };
    return item;
  }
}

/** Pinned, a watch when it will be deleted by itself, else filled with memory and hollow without; in its colour. */
export function checkpointIcon(checkpoint: CheckpointInfo): vscode.ThemeIcon {
  const { colour } = checkpoint;
  return new vscode.ThemeIcon(
    iconName(checkpoint),
    colour === undefined ? undefined : new vscode.ThemeColor(`charts.${colour}`),
  );
}

function iconName({ pinned, expires, hasMemory }: CheckpointInfo): string {
  if (pinned === true) {
    return 'pinned';
  }
  if (expires !== undefined) {
    return 'watch';
  }
  return hasMemory ? 'circle-filled' : 'circle-outline';
}

function memoryText({ hasMemory, memoryFileBytes, memoryMethod }: CheckpointInfo): string {
  if (!hasMemory) {
    return vscode.l10n.t('none: the machine starts from its disks');
  }
  return [
    vscode.l10n.t('saved'),
    ...(memoryFileBytes === undefined ? [] : [formatSize(memoryFileBytes)]),
    ...(memoryMethod === undefined ? [] : [memoryMethodText(memoryMethod)]),
  ].join(', ');
}

function gitText({ branch, commit }: { branch?: string; commit: string }): string {
  const short = commit.slice(0, 10);
  return branch === undefined ? short : `${branch}, ${short}`;
}
