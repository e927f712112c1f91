/** The definition of a task of type `vm-checkpoint`, read from tasks.json without believing it. */
import type * as vscode from 'vscode';
import { checkpointTaskType } from '../contributions/tasks.ts';

export interface CheckpointTask {
  machine: string;
  name?: string;
  memory?: boolean;
}

export type CheckpointTaskProblem = 'noMachine' | 'nameNotText' | 'memoryNotBoolean';

export function readCheckpointTask(
  definition: vscode.TaskDefinition,
): CheckpointTask | { problem: CheckpointTaskProblem } {
  const machine: unknown = definition['machine'];
  const name: unknown = definition['name'];
  const memory: unknown = definition['memory'];
  if (typeof machine !== 'string' || machine.trim() === '') {
    return { problem: 'noMachine' };
  }
  if (name !== undefined && typeof name !== 'string') {
    return { problem: 'nameNotText' };
  }
  if (memory !== undefined && typeof memory !== 'boolean') {
    return { problem: 'memoryNotBoolean' };
  }
  return { machine, ...(name === undefined ? {} : { name }), ...(memory === undefined ? {} : { memory }) };
}

export function isCheckpointTask(task: vscode.Task): boolean {
  return task.definition.type === checkpointTaskType;
}
