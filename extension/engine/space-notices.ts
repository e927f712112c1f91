/** Warns, once each time the engine does, that a volume which running machines write to is going to be full. */
import * as vscode from 'vscode';
import type { SpaceLowParams } from '../../engine/protocol/space.ts';
import type { CommandId } from '../contributions/commands.ts';
import type { Engine } from './engine.ts';
import { sayingsInWords } from './saying-in-words.ts';

export function tellLowSpace(engine: Engine): vscode.Disposable {
  return engine.onDidRunLowOnSpace((warning) => void tell(warning));
}

async function tell({ level, message: english, sentences: sayings, paused }: SpaceLowParams): Promise<void> {
  const message = sayingsInWords(sayings, english, vscode.l10n);
  const free = vscode.l10n.t('Free Space…');
  const show = vscode.l10n.t('Show Space');
  const sentences =
    paused.length === 0
      ? message
      : vscode.l10n.t('{0} Paused: {1}.', message, paused.map((machine) => `“${machine}”`).join(', '));
  const choice =
    level === 'critical'
      ? await vscode.window.showErrorMessage(sentences, free, show)
      : await vscode.window.showWarningMessage(sentences, free, show);
  const command: CommandId | undefined =
    choice === free ? 'vmCheckpoints.freeSpace' : choice === show ? 'vmCheckpoints.showSpace' : undefined;
  if (command !== undefined) {
    await vscode.commands.executeCommand(command);
  }
}
