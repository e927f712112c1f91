/** The hooks that hold here. */
import * as vscode from 'vscode';
import { readHooks, type Hook } from './hook.ts';

/** @param log says which members of the setting are no hooks */
export function hooksHere(log: vscode.LogOutputChannel): Hook[] {
  // In a workspace that is not trusted nothing is taken, started or changed.
  if (!vscode.workspace.isTrusted) {
    return [];
  }
  const { hooks, wrong } = readHooks(vscode.workspace.getConfiguration().get('vmCheckpoints.hooks'));
  if (wrong.length > 0) {
    log.warn(
      `Of the setting vmCheckpoints.hooks, these are no hooks: number ${wrong.join(', ')}. Each needs a machine, and a task, taskType, taskGroup or debugType.`,
    );
  }
  return hooks;
}
