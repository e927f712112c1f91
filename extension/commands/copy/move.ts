import * as vscode from 'vscode';
import type { MachineInfo } from '../../../engine/protocol/machines.ts';
import type { CheckpointsContext } from '../../context.ts';
import { perform } from '../../operations/perform.ts';
import { formatSize } from '../../presentation/size.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

/** Moves a machine's folder into another one, on any disk; or back to where machines are kept. */
export const move: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'move', vscode.l10n.t('Move which machine?'));
  const place = machine && (await askPlace(machine));
  if (machine === undefined || place === undefined) {
    return undefined;
  }
  return perform(context, {
    name: 'move',
    params: { machine: machine.name, ...(place === 'back' ? {} : { folder: place.folder }) },
    title: vscode.l10n.t('Moving “{0}”…', machine.name),
    done: ({ machine: moved, copiedBytes }) => tellMoved(context, moved, copiedBytes),
  });
};

async function askPlace(machine: MachineInfo): Promise<{ folder: string } | 'back' | undefined> {
  const title = vscode.l10n.t('Move “{0}”', machine.name);
  if (machine.isMoved === true) {
    const back = vscode.l10n.t('Back to where machines are kept');
    const picked = await vscode.window.showQuickPick([back, vscode.l10n.t('Another folder…')], {
      title,
      placeHolder: machine.folder,
    });
    if (picked === undefined || picked === back) {
      return picked === undefined ? undefined : 'back';
    }
  }
  const [folder] =
    (await vscode.window.showOpenDialog({
      canSelectFiles: false,
      canSelectFolders: true,
      openLabel: vscode.l10n.t('Move Here'),
      title: vscode.l10n.t('{0}: into which folder?', title),
    })) ?? [];
  return folder && { folder: folder.fsPath };
}

function tellMoved(context: CheckpointsContext, { name, folder }: MachineInfo, copiedBytes: number): void {
  context.log.info(`moved ${name} to ${folder}`);
  void vscode.window.showInformationMessage(
    copiedBytes === 0
      ? vscode.l10n.t('Moved “{0}” to {1}.', name, folder)
      : vscode.l10n.t('Moved “{0}” to {1}; {2} copied and compared.', name, folder, formatSize(copiedBytes)),
  );
}
