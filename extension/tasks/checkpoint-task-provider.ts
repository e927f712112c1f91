/**
 * The task type `vm-checkpoint`: a task that takes a checkpoint. Tasks that name it in `dependsOn` start only when the
 * checkpoint was taken.
 */
import * as vscode from 'vscode';
import type { CheckpointsContext } from '../context.ts';
import { commandCategory } from '../contributions/commands.ts';
import { checkpointTaskType } from '../contributions/tasks.ts';
import { obstacle } from '../machines/possible.ts';
import { CheckpointTerminal } from './checkpoint-terminal.ts';

export function registerCheckpointTasks(context: CheckpointsContext): vscode.Disposable {
  return vscode.tasks.registerTaskProvider(checkpointTaskType, new CheckpointTaskProvider(context));
}

class CheckpointTaskProvider implements vscode.TaskProvider {
  readonly #context: CheckpointsContext;

  constructor(context: CheckpointsContext) {
    this.#context = context;
  }

  /** One task for each machine that a checkpoint can be taken of. */
  async provideTasks(): Promise<vscode.Task[]> {
    const { machines, log } = this.#context;
    if (machines.hosts === undefined) {
      try {
        await machines.reload();
      } catch (error) {
        log.warn('No checkpoint tasks are offered, because machines could not be listed', error);
      }
    }
    return machines.machines
      .filter((machine) => obstacle('take', machine) === undefined)
      .map(({ name }) =>
        this.#task(
          { type: checkpointTaskType, machine: name },
          vscode.TaskScope.Workspace,
          vscode.l10n.t('Take checkpoint of {0}', name),
        ),
      );
  }

  resolveTask({ definition, scope, name }: vscode.Task): vscode.Task {
    return this.#task(definition, scope ?? vscode.TaskScope.Workspace, name);
  }

  #task(
    definition: vscode.TaskDefinition,
    scope: vscode.WorkspaceFolder | vscode.TaskScope,
    name: string,
  ): vscode.Task {
    const execution = new vscode.CustomExecution((resolved) =>
      Promise.resolve(new CheckpointTerminal(this.#context, resolved)),
    );
    return new vscode.Task(definition, scope, name, commandCategory, execution, []);
  }
}
