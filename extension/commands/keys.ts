import * as vscode from 'vscode';
import type { CheckpointsContext } from '../context.ts';
import type { CommandId } from '../contributions/commands.ts';
import { GroupNode } from '../tree/group-nodes.ts';
import { MachineNode } from '../tree/machine-node.ts';
import { TrashedNode, TrashNode } from '../tree/trash-nodes.ts';
import { CheckpointNode } from '../tree/checkpoint-node.ts';
import type { TreeNode } from '../tree/tree-node.ts';

/** Whether a command comes from a key, and acts on what is selected; see `keybindings` in contributions/menus.ts. */
export function isFromKey(argument: unknown): boolean {
  return typeof argument === 'object' && argument !== null && 'selection' in argument && argument.selection === true;
}

/** The item that a key was pressed on, when the command comes from a key. */
export function pressedOn(context: CheckpointsContext, argument: unknown): TreeNode | 'nothing' | undefined {
  return isFromKey(argument) ? (context.view.selection ?? 'nothing') : undefined;
}

/** What the Delete key does to an item other than a checkpoint; each asks first. */
export function deleteOther(node: TreeNode | 'nothing'): Thenable<unknown> | undefined {
  const command = commandFor(node);
  return command && vscode.commands.executeCommand(command, node);
}

/** True for an item that is a checkpoint in the tree. */
export function isCheckpoint(node: TreeNode | 'nothing'): boolean {
  return node instanceof CheckpointNode;
}

function commandFor(node: TreeNode | 'nothing'): CommandId | undefined {
  if (node instanceof TrashedNode) {
    return 'vmCheckpoints.deleteForGood';
  }
  if (node instanceof TrashNode) {
    return 'vmCheckpoints.emptyTrash';
  }
  if (node instanceof GroupNode) {
    return 'vmCheckpoints.deleteGroup';
  }
  return node instanceof MachineNode ? 'vmCheckpoints.removeMachine' : undefined;
}
