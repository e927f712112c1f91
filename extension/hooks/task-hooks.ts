/**
 * Hooks of tasks. VS Code lets no extension hold a task back that was started without it, so a task that a hook fits and
 * that has no checkpoint before it is told of afterwards, with the button that gives it one from then on.
 */
import * as vscode from 'vscode';
import type { CheckpointsContext } from '../context.ts';
import type { GuardTaskParams, GuardTaskResult } from '../../engine/protocol/language.ts';
import { engineErrorFrom } from '../engine/engine-error.ts';
import { isCheckpointTask } from '../tasks/checkpoint-task.ts';
import { tasksRunWithCheckpoint } from '../tasks/task-end.ts';
import { hookOfTask, type Hook } from './hook.ts';
import { hooksHere } from './hook-settings.ts';
import { tasksAfterCheckpoint } from './tasks-after-checkpoint.ts';

export function registerTaskHooks(context: CheckpointsContext): vscode.Disposable {
  return vscode.tasks.onDidStartTask(({ execution: { task } }) => {
    const hook = isCheckpointTask(task) ? undefined : hookFor(context, task);
    if (
      hook !== undefined &&
      !tasksRunWithCheckpoint.has(task.name) &&
      !tasksAfterCheckpoint.starts(task, hook.machine)
    ) {
      void tellUnguarded(context, task, hook).catch((error: unknown) =>
        context.log.error(`Task “${task.name}” could not be looked at`, error),
      );
    }
  });
}

/** The hook that fits a task, in the workspace that is open. */
export function hookFor(context: CheckpointsContext, task: vscode.Task): Hook | undefined {
  const { name, definition, group } = task;
  return hookOfTask(hooksHere(context.log), {
    name,
    type: definition.type,
    ...(group === undefined ? {} : { group: group.id }),
  });
}

async function tellUnguarded(context: CheckpointsContext, task: vscode.Task, hook: Hook): Promise<void> {
  const file = tasksFileOf(task);
  const looked = file === undefined ? undefined : await askEngine(context, file, task, hook);
  if (looked?.kind === 'guarded') {
    return;
  }
  const guard = vscode.l10n.t('Guard it from now on');
  const choice = await vscode.window.showWarningMessage(
    vscode.l10n.t(
      'Task “{0}” was started without a checkpoint of “{1}”, which a hook asks for. “Run Task with Checkpoint…” takes one.',
      task.name,
      hook.machine,
    ),
    ...(file === undefined ? [] : [guard]),
  );
  if (choice === guard && file !== undefined) {
    await writeGuard(context, file, task, hook);
  }
}

async function writeGuard(context: CheckpointsContext, file: vscode.Uri, task: vscode.Task, hook: Hook): Promise<void> {
  try {
    // Asked again: the file may have changed while the question stood.
    const answer = await askEngine(context, file, task, hook);
    if (answer.kind === 'edited') {
      const document = await documentOf(file);
      const edit = new vscode.WorkspaceEdit();
      const whole = new vscode.Range(document.positionAt(0), document.positionAt(document.getText().length));
      edit.replace(file, whole, answer.text);
      await vscode.workspace.applyEdit(edit);
      await document.save();
    }
    await vscode.window.showTextDocument(file, { preview: false });
    vscode.window.setStatusBarMessage(
      vscode.l10n.t('Task “{0}” takes a checkpoint of “{1}” first from now on.', task.name, hook.machine),
      10_000,
    );
  } catch (error) {
    void vscode.window.showErrorMessage(
      vscode.l10n.t('Task “{0}” could not be guarded. {1}', task.name, engineErrorFrom(error).message),
    );
  }
}

async function askEngine(
  context: CheckpointsContext,
  file: vscode.Uri,
  task: vscode.Task,
  { machine, name, memory, keepLast }: Hook,
): Promise<GuardTaskResult> {
  const params: GuardTaskParams = {
    text: (await documentOf(file)).getText(),
    label: task.name,
    definition: { ...task.definition },
    checkpoint: {
      machine,
      ...(name === undefined ? {} : { name }),
      ...(memory === undefined ? {} : { memory }),
      ...(keepLast === undefined ? {} : { keepLast }),
    },
  };
  return context.engine.guardTask(params);
}

/** The tasks.json that the task is in, or would be; it may not be there yet. */
function tasksFileOf({ scope }: vscode.Task): vscode.Uri | undefined {
  const folder =
    scope === undefined || scope === vscode.TaskScope.Workspace || scope === vscode.TaskScope.Global
      ? vscode.workspace.workspaceFolders?.[0]
      : scope;
  return folder && vscode.Uri.joinPath(folder.uri, '.vscode/tasks.json');
}

async function documentOf(file: vscode.Uri): Promise<vscode.TextDocument> {
  try {
    await vscode.workspace.fs.stat(file);
  } catch {
    await vscode.workspace.fs.writeFile(file, Buffer.from('{\n  "version": "2.0.0",\n  "tasks": []\n}\n'));
  }
  return vscode.workspace.openTextDocument(file);
}
