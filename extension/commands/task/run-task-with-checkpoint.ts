import * as vscode from 'vscode';
import type { MachineInfo } from '../../../engine/protocol/machines.ts';
import type { CheckpointsContext } from '../../context.ts';
import { engineErrorFrom } from '../../engine/engine-error.ts';
import type { Hook, OnFail } from '../../hooks/hook.ts';
import { takeBefore } from '../../hooks/take-before.ts';
import { hookFor } from '../../hooks/task-hooks.ts';
import type { MachineAndCheckpoint } from '../../machines/machine-and-checkpoint.ts';
import { checkpointNameFrom } from '../../naming/names.ts';
import { applyCheckpoint } from '../../operations/apply-checkpoint.ts';
import { readOnTaskFailure } from '../../settings.ts';
import { isCheckpointTask } from '../../tasks/checkpoint-task.ts';
import { runToEnd } from '../../tasks/task-end.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

const lastMachineKey = 'runTaskWithCheckpoint.machine';

/** Takes a checkpoint, runs a task, and goes by its exit code. Without the checkpoint the task does not run. */
export const runTaskWithCheckpoint: CommandHandler = async (context, argument) => {
  const task = await askTask();
  if (task === undefined) {
    return undefined;
  }
  const hook = hookFor(context, task);
  const machine = await askMachineAgain(context, hook === undefined ? argument : { machine: hook.machine });
  if (machine === undefined) {
    return undefined;
  }
  await context.workspaceState.update(lastMachineKey, machine.id);
  const onFail = hook?.onFail ?? readOnTaskFailure();
  return runAfterCheckpoint(context, { ...hook, machine: machine.name, onFail }, machine, task);
};

/** @returns the task's exit code; undefined when it has none, or did not run */
async function runAfterCheckpoint(
  context: CheckpointsContext,
  hook: Hook,
  machine: MachineInfo,
  task: vscode.Task,
): Promise<number | undefined> {
  const taken = await takeBefore(context, hook, {
    defaultName: checkpointNameFrom(vscode.l10n.t('before task {0}', task.name)),
    createdBy: 'task',
    title: vscode.l10n.t('Taking a checkpoint of “{0}” before task “{1}”…', machine.name, task.name),
    explain: (sentence) =>
      vscode.l10n.t('Task “{0}” was not run, because no checkpoint was taken. {1}', task.name, sentence),
    retry: () => runAfterCheckpoint(context, hook, machine, task),
  });
  if (taken === undefined) {
    return undefined;
  }
  try {
    const exitCode = await runToEnd(task);
    await actOnEnd(context, hook.onFail, { machine, checkpoint: taken }, task, exitCode);
    return exitCode;
  } catch (error) {
    void vscode.window.showErrorMessage(
      vscode.l10n.t('Task “{0}” could not be started: {1}', task.name, engineErrorFrom(error).message),
    );
    return undefined;
  }
}

/** As {@link askMachine}, with the machine of the last time on top. */
function askMachineAgain(context: CheckpointsContext, argument: unknown): Promise<MachineInfo | undefined> {
  return askMachine(
    context,
    argument,
    'take',
    vscode.l10n.t('Take a checkpoint of which machine before the task?'),
    context.workspaceState.get<string>(lastMachineKey),
  );
}

async function askTask(): Promise<vscode.Task | undefined> {
  const tasks = (await vscode.tasks.fetchTasks()).filter((task) => !isCheckpointTask(task));
  if (tasks.length === 0) {
    const configure = vscode.l10n.t('Configure Tasks');
    void vscode.window
      .showInformationMessage(vscode.l10n.t('This workspace has no tasks to run.'), configure)
      .then((choice) => choice && vscode.commands.executeCommand('workbench.action.tasks.configureTaskRunner'));
    return undefined;
  }
  const picked = await vscode.window.showQuickPick(
    tasks.map((task) => ({
      label: task.name,
      description: task.source,
      ...(task.detail === undefined ? {} : { detail: task.detail }),
      task,
    })),
    { placeHolder: vscode.l10n.t('Run which task?'), matchOnDescription: true, matchOnDetail: true },
  );
  return picked?.task;
}

/** Keeps, offers to revert, or reverts: by the exit code, and by what was chosen. */
async function actOnEnd(
  context: CheckpointsContext,
  onFail: OnFail,
  target: MachineAndCheckpoint,
  task: vscode.Task,
  exitCode: number | undefined,
): Promise<void> {
  const { machine, checkpoint } = target;
  if (exitCode === 0) {
    vscode.window.setStatusBarMessage(
      vscode.l10n.t('Task “{0}” succeeded; the checkpoint “{1}” stays.', task.name, checkpoint.name),
      10_000,
    );
    return;
  }
  const end =
    exitCode === undefined
      ? vscode.l10n.t('Task “{0}” ended without an exit code.', task.name)
      : vscode.l10n.t('Task “{0}” failed with exit code {1}.', task.name, exitCode);
  if (onFail === 'revert') {
    // Chosen beforehand, so it is not asked again; what the task left is kept, and can be undone to.
    vscode.window.setStatusBarMessage(end, 10_000);
    await applyCheckpoint(context, 'revert', target);
    return;
  }
  if (onFail === 'keep') {
    void vscode.window.showWarningMessage(
      vscode.l10n.t('{0} “{1}” is kept as it is now; the checkpoint “{2}” stays.', end, machine.name, checkpoint.name),
    );
    return;
  }
  const revert = vscode.l10n.t('Revert');
  const keep = vscode.l10n.t('Keep');
  void vscode.window
    // An error with buttons stays until it is answered; a warning goes after some seconds.
    .showErrorMessage(
      vscode.l10n.t('{0} Revert “{1}” to “{2}”, or keep it as it is now?', end, machine.name, checkpoint.name),
      revert,
      keep,
    )
    .then((choice) => (choice === revert ? applyCheckpoint(context, 'revert', target) : undefined));
}
