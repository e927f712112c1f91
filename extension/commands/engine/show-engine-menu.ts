import * as vscode from 'vscode';
import type { CommandId } from '../../contributions/commands.ts';
import { commands } from '../../contributions/commands.ts';
import { stateText } from '../../engine/engine-status.ts';
import type { CommandHandler } from '../command.ts';

const offered = [
  'vmCheckpoints.showLog',
  'vmCheckpoints.restartEngine',
  'vmCheckpoints.showEngineInformation',
  'vmCheckpoints.undo',
  'vmCheckpoints.refresh',
] as const satisfies readonly CommandId[];

/** What a click on the status bar opens. */
export const showEngineMenu: CommandHandler = async ({ engine }) => {
  const picked = await vscode.window.showQuickPick(
    offered.map((command) => {
      const declaration = commands[command];
      return {
        label: commandLabel(command),
        ...('icon' in declaration ? { iconPath: new vscode.ThemeIcon(declaration.icon.slice(2, -1)) } : {}),
        command,
      };
    }),
    { title: vscode.l10n.t('VM Checkpoints Engine: {0}', stateText(engine.state)) },
  );
  return picked && vscode.commands.executeCommand(picked.command);
};

function commandLabel(command: (typeof offered)[number]): string {
  switch (command) {
    case 'vmCheckpoints.showLog':
      return vscode.l10n.t('Show Log');
    case 'vmCheckpoints.restartEngine':
      return vscode.l10n.t('Restart Engine');
    case 'vmCheckpoints.showEngineInformation':
      return vscode.l10n.t('Show Engine Information');
    case 'vmCheckpoints.undo':
      return vscode.l10n.t('Undo Last Apply or Revert…');
    case 'vmCheckpoints.refresh':
      return vscode.l10n.t('Refresh');
  }
}
