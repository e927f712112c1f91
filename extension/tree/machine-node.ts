import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { itemContext } from '../contributions/menus.ts';
import { countCheckpoints, describeMachine, firmwareText } from '../machines/descriptions.ts';
import { formatSize } from '../presentation/size.ts';
import { placeOfMachine } from './decorations.ts';
import { factsOf } from './facts.ts';
import { tooltip } from './tooltip.ts';
import { TreeNode } from './tree-node.ts';

export class MachineNode extends TreeNode {
  machine: MachineInfo;
  /** Whether its children are there. */
  isFilled = false;
  readonly #isOneOfMany: boolean;

  /** @param isOneOfMany so that it is not open before somebody opens it */
  constructor(machine: MachineInfo, isOneOfMany: boolean) {
    super(MachineNode.idOf(machine));
    this.machine = machine;
    this.#isOneOfMany = isOneOfMany;
  }

  static idOf(machine: MachineInfo): string {
    return `machine:${machine.folder}`;
  }

  override get place(): string {
    return placeOfMachine(this.machine);
  }

  override tooltip(): vscode.MarkdownString {
    const { machine } = this;
    return tooltip(machine.name, machine.problem, [
      [vscode.l10n.t('State'), describeMachine(machine)],
      [vscode.l10n.t('Busy'), machine.busy && `${machine.busy.operation} (${machine.busy.holder})`],
      [vscode.l10n.t('Checkpoints'), String(machine.checkpoints.length)],
      [vscode.l10n.t('Memory'), machine.memoryBytes === undefined ? undefined : formatSize(machine.memoryBytes)],
      [
        vscode.l10n.t('Saved state'),
        machine.now.savedMemoryBytes === undefined ? undefined : formatSize(machine.now.savedMemoryBytes),
      ],
      [vscode.l10n.t('CPUs'), machine.cpus?.toString()],
      [vscode.l10n.t('Firmware'), firmwareText(machine)],
      ...machine.disks.map((disk): [string, string] => [
        vscode.l10n.t('Disk {0}', disk.id),
        `${formatSize(disk.virtualSizeBytes)}, ${disk.activeLayer}`,
      ]),
      [vscode.l10n.t('Process'), machine.pid?.toString()],
      [vscode.l10n.t('Log'), machine.hypervisorLog],
      [vscode.l10n.t('Folder'), machine.folder],
    ]);
  }

  override item(): vscode.TreeItem {
    const { machine } = this;
    // As it was from the start: VS Code keeps what it saw first, and would not open the machine at its first checkpoint.
    const { Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(machine.name, this.#isOneOfMany ? Collapsed : Expanded);
    item.id = this.id;
    item.contextValue = itemContext('machine', factsOf(machine));
    item.description = describeMachine(machine);
    item.iconPath = machineIcon(machine);
    item.accessibilityInformation = {
      label: vscode.l10n.t(
        'Machine {0}, {1}, {2}',
        machine.name,
        describeMachine(machine),
        countCheckpoints(machine.checkpoints.length),
      ),
    };
    return item;
  }
}

/** Differs by state in its shape, and not in its colour alone. */
export function machineIcon(machine: MachineInfo): vscode.ThemeIcon {
  if (machine.busy !== undefined) {
    return new vscode.ThemeIcon('loading~spin');
  }
  switch (machine.state) {
    case 'running':
      return new vscode.ThemeIcon('vm-running', new vscode.ThemeColor('charts.green'));
    case 'paused':
      return new vscode.ThemeIcon('debug-pause', new vscode.ThemeColor('charts.yellow'));
    case 'stopped':
      return new vscode.ThemeIcon('vm-outline');
    case 'saved':
      return new vscode.ThemeIcon('save', new vscode.ThemeColor('charts.blue'));
    case 'unreachable':
      return new vscode.ThemeIcon('debug-disconnect', new vscode.ThemeColor('list.warningForeground'));
    case 'damaged':
      return new vscode.ThemeIcon('error', new vscode.ThemeColor('list.errorForeground'));
  }
}
