/** The definition of a task of type `vm-checkpoint`, read from tasks.json without believing it. */
import type * as vscode from 'vscode';
import { checkpointTaskType } from '../contributions/tasks.ts';

export interface CheckpointTask {
  machine: string;
  name?: string;
  memory?: boolean;
  /** Further machines, whose checkpoints are taken together with this one. */
  group?: string[];
  /** How many of that name are kept. */
  keepLast?: number;
}

export type CheckpointTaskProblem =
  | 'noMachine'
  | 'nameNotText'
  | 'memoryNotBoolean'
  | 'groupNotNames'
  | 'keepLastNotCount'
  | 'keepLastWithoutName'
  | 'keepLastOfGroup';

export function readCheckpointTask(
  definition: vscode.TaskDefinition,
): CheckpointTask | { problem: CheckpointTaskProblem } {
  const machine: unknown = definition['machine'];
  const name: unknown = definition['name'];
  const memory: unknown = definition['memory'];
  const group: unknown = definition['group'];
  const keepLast: unknown = definition['keepLast'];
  if (typeof machine !== 'string' || machine.trim() === '') {
    return { problem: 'noMachine' };
  }
  if (name !== undefined && typeof name !== 'string') {
    return { problem: 'nameNotText' };
  }
  if (memory !== undefined && typeof memory !== 'boolean') {
    return { problem: 'memoryNotBoolean' };
  }
  if (group !== undefined && !isNames(group)) {
    return { problem: 'groupNotNames' };
  }
  if (keepLast !== undefined && !isCount(keepLast)) {
    return { problem: 'keepLastNotCount' };
  }
  if (keepLast !== undefined && name === undefined) {
    return { problem: 'keepLastWithoutName' };
  }
  if (keepLast !== undefined && group !== undefined) {
    return { problem: 'keepLastOfGroup' };
  }
  return {
    machine,
    ...(name === undefined ? {} : { name }),
    ...(memory === undefined ? {} : { memory }),
    ...(group === undefined ? {} : { group }),
    ...(keepLast === undefined ? {} : { keepLast }),
  };
}

export function isCheckpointTask(task: vscode.Task): boolean {
  return task.definition.type === checkpointTaskType;
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string' && one.trim() !== '');
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 1000;
}
