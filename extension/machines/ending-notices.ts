/** Tells the user, once, that a machine which was up has ended without anybody's asking, and how. */
import * as vscode from 'vscode';
import type { MachineInfo, MachineState } from '../../engine/protocol/machines.ts';
import type { CommandId } from '../contributions/commands.ts';
import type { MachineList } from './machine-list.ts';
import { isOff } from './possible.ts';

export function tellEndings(machines: MachineList): vscode.Disposable {
  let before = new Map<string, MachineState>();
  return machines.onDidChange(() => {
    const ended = machines.machines.filter((machine) => hasEnded(before.get(machine.id), machine));
    before = new Map(machines.machines.map(({ id, state }) => [id, state]));
    for (const machine of ended) {
      void tell(machine);
    }
  });
}

/** One that was told to end leaves nothing to tell. */
function hasEnded(before: MachineState | undefined, machine: MachineInfo): boolean {
  return (before === 'running' || before === 'paused') && isOff(machine) && machine.problem !== undefined;
}

async function tell({ id, name, problem = '', hypervisorLog }: MachineInfo): Promise<void> {
  const start = vscode.l10n.t('Start Machine');
  const openLog = vscode.l10n.t('Open Log');
  const choice = await vscode.window.showErrorMessage(
    vscode.l10n.t('“{0}” is off. {1}', name, problem),
    start,
    ...(hypervisorLog === undefined ? [] : [openLog]),
  );
  if (choice === start) {
    const command: CommandId = 'vmCheckpoints.start';
    await vscode.commands.executeCommand(command, { machine: id });
  } else if (choice === openLog && hypervisorLog !== undefined) {
    await vscode.window.showTextDocument(vscode.Uri.file(hypervisorLog), { preview: true });
  }
}
