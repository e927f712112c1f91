/** What a command acts on: taken from its argument, and asked for when that does not tell. */
import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import type { CheckpointsContext } from '../context.ts';
import { describeCheckpoint, describeMachine } from '../machines/descriptions.ts';
import type { MachineAndCheckpoint } from '../machines/machine-and-checkpoint.ts';
import { noneText, obstacleText } from '../machines/obstacle-text.ts';
import type { MachineOperation } from '../machines/possible.ts';
import { obstacle, parentOfNow } from '../machines/possible.ts';
import { CheckpointNode, checkpointIcon } from '../tree/checkpoint-node.ts';
import { MachineNode, machineIcon } from '../tree/machine-node.ts';
import { NowNode } from '../tree/now-node.ts';
import { TrashNode, TrashedNode } from '../tree/trash-nodes.ts';
import { isFromKey } from './keys.ts';

/** What an argument names, by id or name. */
interface Reference {
  machine?: string;
  checkpoint?: string;
  /** Its present state, and not the machine as a whole. */
  isNow?: true;
}

/**
 * The machine that the command acts on. Undefined when the user dismissed the question, or was told why the operation
 * cannot be done.
 * @param firstId machine to offer first
 */
export async function askMachine(
  context: CheckpointsContext,
  argument: unknown,
  operation: MachineOperation,
  question: string,
  firstId?: string,
): Promise<MachineInfo | undefined> {
  const { machine: reference } = referenceOf(context, argument);
  if (context.machines.hosts === undefined) {
    await context.machines.reload();
  }
  const { machines } = context.machines;
  if (reference !== undefined) {
    const machine = context.machines.find(reference);
    if (machine === undefined) {
      tell(vscode.l10n.t('There is no machine “{0}”.', reference));
    }
    return machine === undefined || tellObstacle(operation, machine) ? undefined : machine;
  }
  const candidates = machines
    .filter((machine) => obstacle(operation, machine) === undefined)
    .sort((a, b) => Number(b.id === firstId) - Number(a.id === firstId));
  if (candidates.length === 0) {
    tellNone(operation, machines);
    return undefined;
  }
  const picked = await vscode.window.showQuickPick(
    candidates.map((machine) => ({
      label: machine.name,
      description: describeMachine(machine),
      iconPath: machineIcon(machine),
      detail: nowText(machine),
      machine,
    })),
    { placeHolder: question, matchOnDescription: true, matchOnDetail: true },
  );
  return picked?.machine;
}

/** The checkpoint that the command acts on, and its machine; undefined as with {@link askMachine}. */
export async function askCheckpoint(
  context: CheckpointsContext,
  argument: unknown,
  operation: MachineOperation,
  questions: { machine: string; checkpoint: string },
): Promise<MachineAndCheckpoint | undefined> {
  const machine = await askMachine(context, argument, operation, questions.machine);
  if (machine === undefined) {
    return undefined;
  }
  const { checkpoint: reference } = referenceOf(context, argument);
  if (reference !== undefined) {
    const checkpoint =
      machine.checkpoints.find(({ id }) => id === reference) ??
      machine.checkpoints.find(({ name }) => name === reference);
    if (checkpoint === undefined) {
      tell(vscode.l10n.t('“{0}” has no checkpoint “{1}”.', machine.name, reference));
    }
    return checkpoint && { machine, checkpoint };
  }
  const checkpoint = await pickCheckpoint(machine, machine.checkpoints, questions.checkpoint);
  return checkpoint && { machine, checkpoint };
}

/** One of a machine's checkpoints, in order of creation; undefined when the user dismissed the question. */
export async function pickCheckpoint(
  machine: MachineInfo,
  checkpoints: readonly CheckpointInfo[],
  question: string,
): Promise<CheckpointInfo | undefined> {
  const parent = parentOfNow(machine);
  const picked = await vscode.window.showQuickPick(
    checkpoints.toReversed().map((checkpoint) => ({
      label: checkpoint.name,
      description: describeCheckpoint(checkpoint),
      iconPath: checkpointIcon(checkpoint),
      ...(checkpoint === parent ? { detail: vscode.l10n.t('Now grew from this one') } : {}),
      checkpoint,
    })),
    { placeHolder: question, matchOnDescription: true },
  );
  return picked?.checkpoint;
}

/**
 * A machine by id, or all of them. Undefined when the user dismissed the question, or there is none.
 * @param argument an item of a machine answers the question
 */
export async function askMachineOrAll(
  context: CheckpointsContext,
  argument: unknown,
  question: string,
): Promise<{ machine?: string } | undefined> {
  const { machine: reference } = referenceOf(context, argument);
  const given = reference === undefined ? undefined : context.machines.find(reference);
  if (given !== undefined) {
    return { machine: given.name };
  }
  const { machines } = context.machines;
  if (machines.length < 2) {
    return {};
  }
  const picked = await vscode.window.showQuickPick<vscode.QuickPickItem & { machine?: string }>(
    [
      { label: vscode.l10n.t('All machines'), iconPath: new vscode.ThemeIcon('server-environment') },
      ...machines.map((machine) => ({
        label: machine.name,
        description: describeMachine(machine),
        iconPath: machineIcon(machine),
        machine: machine.name,
      })),
    ],
    { placeHolder: question },
  );
  return picked && (picked.machine === undefined ? {} : { machine: picked.machine });
}

/** What an argument of a command names; nothing when it names nothing. */
export function referenceOf(context: CheckpointsContext, argument: unknown): Reference {
  if (argument instanceof CheckpointNode) {
    return { machine: argument.machine.id, checkpoint: argument.checkpoint.id };
  }
  if (argument instanceof TrashedNode) {
    return { machine: argument.machine.id, checkpoint: argument.trashed.checkpoint.id };
  }
  if (argument instanceof NowNode) {
    return { machine: argument.machine.id, isNow: true };
  }
  if (argument instanceof MachineNode || argument instanceof TrashNode) {
    return { machine: argument.machine.id };
  }
  if (isFromKey(argument)) {
    return referenceOf(context, context.view.selection);
  }
  if (typeof argument !== 'object' || argument === null) {
    return {};
  }
  return {
    ...('machine' in argument && typeof argument.machine === 'string' ? { machine: argument.machine } : {}),
    ...('checkpoint' in argument && typeof argument.checkpoint === 'string' ? { checkpoint: argument.checkpoint } : {}),
  };
}

/** @returns true when there is an obstacle, which the user was told */
function tellObstacle(operation: MachineOperation, machine: MachineInfo): boolean {
  const found = obstacle(operation, machine);
  if (found !== undefined) {
    tell(obstacleText(found, machine));
  }
  return found !== undefined;
}

function tellNone(operation: MachineOperation, machines: readonly MachineInfo[]): void {
  const [first, ...others] = machines;
  if (first === undefined) {
    const create = vscode.l10n.t('Create Machine');
    void vscode.window
      .showInformationMessage(vscode.l10n.t('There are no machines yet.'), create)
      .then((choice) => choice && vscode.commands.executeCommand('vmCheckpoints.createMachine'));
  } else if (others.length > 0 || !tellObstacle(operation, first)) {
    tell(noneText(operation));
  }
}

function tell(sentence: string): void {
  void vscode.window.showInformationMessage(sentence);
}

function nowText(machine: MachineInfo): string {
  const parent = parentOfNow(machine);
  return parent === undefined
    ? vscode.l10n.t('No checkpoint yet')
    : vscode.l10n.t('Now grew from “{0}”, {1}', parent.name, describeCheckpoint(parent));
}
