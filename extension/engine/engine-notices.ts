/** Tells the user, once each time, that the engine did not start or that it ended unexpectedly. */
import * as vscode from 'vscode';
import type { CommandId } from '../contributions/commands.ts';
import type { Engine, EngineFailure } from './engine.ts';

export function tellFailures(engine: Engine): vscode.Disposable {
  return engine.onDidFail((failure) => void tell(failure));
}

async function tell(failure: EngineFailure): Promise<void> {
  const showLog = vscode.l10n.t('Show Log');
  const restart = vscode.l10n.t('Restart');
  const choice = await vscode.window.showErrorMessage(sentence(failure), showLog, restart);
  const command: CommandId | undefined =
    choice === showLog ? 'vmCheckpoints.showLog' : choice === restart ? 'vmCheckpoints.restartEngine' : undefined;
  if (command !== undefined) {
    await vscode.commands.executeCommand(command);
  }
}

function sentence({ kind, reason, recovered }: EngineFailure): string {
  if (kind === 'notStarted') {
    return vscode.l10n.t('The VM Checkpoints engine could not be started. {0}', reason);
  }
  return recovered
    ? vscode.l10n.t('The VM Checkpoints engine ended unexpectedly and was started again. {0}', reason)
    : vscode.l10n.t('The VM Checkpoints engine ended unexpectedly and is not running. {0}', reason);
}
