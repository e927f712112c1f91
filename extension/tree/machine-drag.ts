/** Machines are dragged into groups of their host, out of them, and from one to another; nothing else can be dragged. */
import * as vscode from 'vscode';
import type { CommandId } from '../contributions/commands.ts';
import { machinesViewId } from '../contributions/views.ts';
import { HostNode } from './host-node.ts';
import { MachineGroupNode } from './machine-group-node.ts';
import { MachineNode } from './machine-node.ts';
import type { TreeNode } from './tree-node.ts';

const mime = `application/vnd.code.tree.${machinesViewId.toLowerCase()}`;

export const machineDrag: vscode.TreeDragAndDropController<TreeNode> = {
  dragMimeTypes: [mime],
  dropMimeTypes: [mime],

  handleDrag(nodes, data) {
    const machines = nodes.filter((node) => node instanceof MachineNode);
    if (machines.length > 0 && machines.length === nodes.length) {
      data.set(mime, new vscode.DataTransferItem(machines.map(({ machine }) => machine.id)));
    }
  },

  async handleDrop(target, data) {
    const group = groupAt(target);
    const dragged: unknown = data.get(mime)?.value;
    const ids = Array.isArray(dragged) ? dragged.filter((id) => typeof id === 'string') : [];
    const machines = group === undefined ? [] : ids.filter((id) => machinesOf(hostOf(target)).includes(id));
    if (machines.length > 0) {
      const command: CommandId = 'vmCheckpoints.moveToGroup';
      await vscode.commands.executeCommand(command, { machines, group });
    }
  },
};

/** The group that a drop here means, empty for none; undefined where nothing can be dropped. */
function groupAt(target: TreeNode | undefined): string | undefined {
  if (target instanceof MachineGroupNode) {
    return target.name;
  }
  return target instanceof HostNode ? '' : target instanceof MachineNode ? (target.machine.group ?? '') : undefined;
}

function hostOf(node: TreeNode | undefined): HostNode | undefined {
  return node instanceof HostNode ? node : node && hostOf(node.parent);
}

function machinesOf(host: HostNode | undefined): string[] {
  return host?.host.machines.map(({ id }) => id) ?? [];
}
