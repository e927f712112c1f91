import * as vscode from 'vscode';
import type { CommandHandler } from '../command.ts';

export const restartEngine: CommandHandler = async ({ engine }) => {
  const goesOn = await engine.restart();
  if (goesOn) {
    void vscode.window.showInformationMessage(
      vscode.l10n.t('The engine was restarted. The one before it ends once what it does has ended.'),
    );
  } else if (engine.info !== undefined) {
    vscode.window.setStatusBarMessage(vscode.l10n.t('The VM Checkpoints engine was restarted.'), 5000);
  }
};
