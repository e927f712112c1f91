/** Checkboxes on checkpoints: on, off, and by the keyboard. */
import * as vscode from 'vscode';
import type { CheckpointsContext } from '../../context.ts';
import { CheckpointNode } from '../../tree/checkpoint-node.ts';
import type { CommandHandler } from '../command.ts';

export const selectCheckpoints: CommandHandler = async ({ view }, argument) => {
  view.checked.begin();
  if (argument instanceof CheckpointNode) {
    view.checked.set(argument.id, true);
  }
  await vscode.commands.executeCommand('vmCheckpoints.machines.focus');
};

export const endSelection: CommandHandler = ({ view }) => view.checked.end();

/** Checks, or unchecks, the checkpoint that the keyboard is on. */
export const toggleChecked: CommandHandler = async ({ view }) => {
  const node = await focusedNode(view);
  if (node instanceof CheckpointNode) {
    view.checked.set(node.id, !view.checked.has(node.id));
  }
};

/** VS Code tells extensions what is selected, not where the keyboard is: to toggle the selection there, twice, tells it. */
async function focusedNode(view: CheckpointsContext['view']): Promise<unknown> {
  const before = view.selected;
  await vscode.commands.executeCommand('list.toggleSelection');
  if (before.length === 0) {
    await view.selectionKnown();
  }
  const after = view.selected;
  await vscode.commands.executeCommand('list.toggleSelection');
  return [...before, ...after].find((node) => before.includes(node) !== after.includes(node));
}
