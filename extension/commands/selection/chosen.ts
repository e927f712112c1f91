/** Which checkpoints a command for several of them acts on. */
import type { CheckpointInfo, MachineInfo } from '../../../engine/protocol/machines.ts';
import type { CheckpointsContext } from '../../context.ts';
import { CheckpointNode } from '../../tree/checkpoint-node.ts';
import type { TreeNode } from '../../tree/tree-node.ts';
import { isFromKey } from '../keys.ts';

export interface CheckpointsOfMachine {
  machine: MachineInfo;
  /** At least one, in order of creation. */
  checkpoints: [CheckpointInfo, ...CheckpointInfo[]];
}

/** Those that are checked; without checkboxes, those that are selected in the tree. */
export function chosenCheckpoints(context: CheckpointsContext): CheckpointsOfMachine[] {
  const { checked, selected } = context.view;
  return checkpointsOf(context, checked.isOn ? checked : new Set(selected.map(({ id }) => id)));
}

/** @param nodes ids of nodes of the tree */
export function checkpointsOf(
  { machines }: CheckpointsContext,
  nodes: { has(node: string): boolean },
): CheckpointsOfMachine[] {
  return machines.machines.flatMap((machine) => {
    const [first, ...others] = machine.checkpoints.filter((one) => nodes.has(CheckpointNode.idOf(machine, one)));
    return first === undefined ? [] : [{ machine, checkpoints: [first, ...others] }];
  });
}

/**
 * The rows that a command from the menu or a key is meant for, when these are several.
 * @param selected what VS Code passes beside the row of a menu that was opened on one of several selected rows
 */
export function severalRows(
  { view }: CheckpointsContext,
  argument: unknown,
  selected: unknown,
): readonly TreeNode[] | undefined {
  const isMenuOfSeveral = Array.isArray(selected) && selected.length > 1 && selected.includes(argument);
  return (isFromKey(argument) || isMenuOfSeveral) && view.selected.length > 1 ? view.selected : undefined;
}
