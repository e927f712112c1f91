import * as vscode from 'vscode';
import type { CommandHandler } from '../command.ts';

export const restartEngine: CommandHandler = async ({ engine }) => {
  await engine.restart();
  if (engine.info !== undefined) {
    vscode.window.setStatusBarMessage(vscode.l10n.t('The VM Checkpoints engine was restarted.'), 5000);
  }
};
