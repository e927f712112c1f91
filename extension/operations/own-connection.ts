/** Warns before something happens to the machine that this very window is connected to. */
import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { isConnectedTo } from '../machines/connected-machine.ts';

/** A sentence for the question that is asked anyway; undefined for a machine that the window does not depend on. */
export function connectionWarning({ name }: Pick<MachineInfo, 'name'>): string | undefined {
  const connection = {
    remoteName: vscode.env.remoteName,
    authorities: (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.authority),
  };
  return isConnectedTo(name, connection)
    ? vscode.l10n.t(
        'This very window seems to be connected to “{0}”: it will lose its connection, and what is not saved in it.',
        name,
      )
    : undefined;
}

/** Asks only where the window depends on the machine. @param question with the button that answers it */
export async function agreesToDisconnect(
  machine: Pick<MachineInfo, 'name'>,
  question: string,
  button: string,
): Promise<boolean> {
  const detail = connectionWarning(machine);
  return (
    detail === undefined ||
    (await vscode.window.showWarningMessage(question, { modal: true, detail }, button)) === button
  );
}
