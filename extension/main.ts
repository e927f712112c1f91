/** Activates VM Checkpoints: starts the engine, shows the machines, and registers commands and tasks. */
import * as vscode from 'vscode';
import { registerCommands } from './commands/table.ts';
import { prepareTerminals } from './console/terminal-environment.ts';
import { CheckpointsContext } from './context.ts';
import { tellFailures } from './engine/engine-notices.ts';
import { EngineStatus } from './engine/engine-status.ts';
import { engineSettings } from './engine/environment.ts';
import { tellLowSpace } from './engine/space-notices.ts';
import { tellEndings } from './machines/ending-notices.ts';
import { tellPanics } from './machines/panic-notices.ts';
import { registerDebugHooks } from './hooks/debug-hooks.ts';
import { registerTaskHooks } from './hooks/task-hooks.ts';
import { registerCheckpointTasks } from './tasks/checkpoint-task-provider.ts';

let active: CheckpointsContext | undefined;

export function activate(extension: vscode.ExtensionContext): void {
  const context = new CheckpointsContext(extension);
  active = context;
  extension.subscriptions.push(
    context,
    new EngineStatus(context.engine),
    tellFailures(context.engine),
    tellLowSpace(context.engine),
    tellEndings(context.machines),
    tellPanics(context.machines),
    registerCommands(context),
    registerCheckpointTasks(context),
    registerDebugHooks(context),
    registerTaskHooks(context),
    prepareTerminals(extension, context.log),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (engineSettings.some((id) => event.affectsConfiguration(id))) {
        void context.engine.restart();
      }
    }),
  );
  void context.engine.start();
}

export async function deactivate(): Promise<void> {
  await active?.stop();
  active = undefined;
}
