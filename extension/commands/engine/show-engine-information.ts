import * as vscode from 'vscode';
import { stateText } from '../../engine/engine-status.ts';
import type { CommandHandler } from '../command.ts';

/** Where the engine and its files are, each to copy; the log file can be opened. */
export const showEngineInformation: CommandHandler = async ({ engine, log }) => {
  const { info } = engine;
  if (info === undefined) {
    const showLog = vscode.l10n.t('Show Log');
    void vscode.window
      .showWarningMessage(vscode.l10n.t('The engine is not running: {0}.', stateText(engine.state)), showLog)
      .then((choice) => choice && log.show());
    return undefined;
  }
  const openLog = { iconPath: new vscode.ThemeIcon('go-to-file'), tooltip: vscode.l10n.t('Open') };
  const facts = [
    { label: vscode.l10n.t('Process'), value: String(info.pid) },
    { label: vscode.l10n.t('Log file'), value: info.logFile, buttons: [openLog] },
    { label: vscode.l10n.t('Home'), value: info.home },
    { label: vscode.l10n.t('Version'), value: info.version },
    { label: vscode.l10n.t('Node'), value: info.node },
  ];
  const pick = vscode.window.createQuickPick<(typeof facts)[number] & vscode.QuickPickItem>();
  pick.title = vscode.l10n.t('VM Checkpoints Engine: {0}', stateText(engine.state));
  pick.placeholder = vscode.l10n.t('Choose a value to copy it');
  pick.items = facts.map((fact) => ({ ...fact, description: fact.value }));
  pick.onDidAccept(() => {
    const value = pick.selectedItems[0]?.value;
    pick.hide();
    if (value !== undefined) {
      void vscode.env.clipboard.writeText(value);
      vscode.window.setStatusBarMessage(vscode.l10n.t('Copied: {0}', value), 5000);
    }
  });
  pick.onDidTriggerItemButton(({ item }) => {
    pick.hide();
    void vscode.window.showTextDocument(vscode.Uri.file(item.value));
  });
  pick.onDidHide(() => pick.dispose());
  pick.show();
  return info;
};
