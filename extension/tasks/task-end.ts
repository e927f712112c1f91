import * as vscode from 'vscode';

/** Names of the tasks that are being run after a checkpoint was taken for them. */
export const tasksRunWithCheckpoint = new Set<string>();

/**
 * Runs a task to its end.
 * @returns its exit code; undefined when it has none, because it ran no process or was ended from outside
 */
export async function runToEnd(task: vscode.Task): Promise<number | undefined> {
  const listeners: { dispose(): unknown }[] = [];
  try {
    // Listening begins before the task does: a short one may end before executeTask answers.
    const exitCodes = new Map<vscode.TaskExecution, number | undefined>();
    const ended = new Set<vscode.TaskExecution>();
    const end = new vscode.EventEmitter<void>();
    listeners.push(
      end,
      vscode.tasks.onDidEndTaskProcess(({ execution, exitCode }) => {
        exitCodes.set(execution, exitCode);
      }),
      vscode.tasks.onDidEndTask(({ execution }) => {
        ended.add(execution);
        end.fire();
      }),
    );
    tasksRunWithCheckpoint.add(task.name);
    const execution = await vscode.tasks.executeTask(task);
    while (!ended.has(execution)) {
      await new Promise<void>((resolve) => {
        listeners.push(end.event(() => resolve()));
      });
    }
    return exitCodes.get(execution);
  } finally {
    tasksRunWithCheckpoint.delete(task.name);
    vscode.Disposable.from(...listeners).dispose();
  }
}
