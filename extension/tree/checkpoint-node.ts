import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import { itemContext } from '../contributions/menus.ts';
import type { CheckpointDetails } from '../machines/checkpoint-details.ts';
import { checkpointFacts, sizeFacts } from '../machines/checkpoint-facts.ts';
import { describeCheckpoint } from '../machines/descriptions.ts';
import { guardState } from '../machines/guard-text.ts';
import type { CheckedCheckpoints } from './checked-checkpoints.ts';
import { placeOfMachine } from './decorations.ts';
import { factsOf } from './facts.ts';
import { tooltip, withConsole } from './tooltip.ts';
import { TreeNode } from './tree-node.ts';

export interface CheckpointSources {
  checked: Pick<CheckedCheckpoints, 'isOn' | 'has'>;
  details: Pick<CheckpointDetails, 'of'>;
}

export class CheckpointNode extends TreeNode {
  machine: MachineInfo;
  checkpoint: CheckpointInfo;
  /** Its parent, which may be the row above it; absent for a root. */
  grewFrom: CheckpointInfo | undefined;

  readonly #sources: CheckpointSources;

  constructor(machine: MachineInfo, checkpoint: CheckpointInfo, sources: CheckpointSources) {
    super(CheckpointNode.idOf(machine, checkpoint));
    this.machine = machine;
    this.checkpoint = checkpoint;
    this.#sources = sources;
  }

  static idOf(machine: MachineInfo, checkpoint: CheckpointInfo): string {
    return `checkpoint:${machine.folder}:${checkpoint.id}`;
  }

  /** VS Code keeps a row as collapsed as it saw it first: one that gets its first child is another one, and expanded. */
  override get rowId(): string {
    return this.children.length > 0 ? this.parentRowId : this.id;
  }

  get parentRowId(): string {
    return `${this.id}:parent`;
  }

  override get place(): string {
    return `${placeOfMachine(this.machine)}/${this.checkpoint.id}`;
  }

  override async tooltip(token: vscode.CancellationToken): Promise<vscode.MarkdownString> {
    const { machine, checkpoint, grewFrom } = this;
    const more = await this.#sources.details.of(machine, checkpoint, token);
    const text = tooltip(checkpoint.name, checkpoint.notes, [
      ...sizeFacts(more.space),
      ...checkpointFacts(machine, checkpoint, grewFrom, more.face),
    ]);
    return more.console === undefined ? text : withConsole(text, more.console);
  }

  override item(): vscode.TreeItem {
    const { machine, checkpoint, grewFrom } = this;
    const item = new vscode.TreeItem(
      checkpoint.name,
      this.children.length > 0 ? vscode.TreeItemCollapsibleState.Expanded : vscode.TreeItemCollapsibleState.None,
    );
    item.id = this.rowId;
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
    item.accessibilityInformation = {
      label:
        grewFrom === undefined
          ? vscode.l10n.t('Checkpoint {0}, {1}', checkpoint.name, description)
          : vscode.l10n.t('Checkpoint {0}, {1}, grown from {2}', checkpoint.name, description, grewFrom.name),
    };
    if (this.#sources.checked.isOn) {
      this.#addCheckbox(item, item.accessibilityInformation.label);
    }
    return item;
  }

  #addCheckbox(item: vscode.TreeItem, heard: string): void {
    const isChecked = this.#sources.checked.has(this.id);
    item.checkboxState = {
      state: isChecked ? vscode.TreeItemCheckboxState.Checked : vscode.TreeItemCheckboxState.Unchecked,
      tooltip: isChecked ? vscode.l10n.t('Deselect') : vscode.l10n.t('Select'),
      accessibilityInformation: {
        label: vscode.l10n.t('Select checkpoint {0}', this.checkpoint.name),
        role: 'checkbox',
      },
    };
    // Not every screen reader says the state of a checkbox that is a part of a row.
    item.accessibilityInformation = {
      label: isChecked ? vscode.l10n.t('Selected: {0}', heard) : vscode.l10n.t('Not selected: {0}', heard),
    };
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
