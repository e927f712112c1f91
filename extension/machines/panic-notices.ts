/** Tells the user, once, that the kernel of a machine's guest has panicked, with the ways on. */
import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { CommandId } from '../contributions/commands.ts';
import type { MachineList } from './machine-list.ts';
import { obstacle } from './possible.ts';

export function tellPanics(machines: MachineList): vscode.Disposable {
  let before = new Set<string>();
  return machines.onDidChange(() => {
    const panicked = machines.machines.filter(({ hasPanicked }) => hasPanicked === true);
    const told = before;
    before = new Set(panicked.map(({ id }) => id));
    for (const machine of panicked) {
      if (!told.has(machine.id)) {
        void tell(machine);
      }
    }
  });
}

async function tell(machine: MachineInfo): Promise<void> {
  const ways: { title: string; command: CommandId }[] = [
    { title: vscode.l10n.t('Reset…'), command: 'vmCheckpoints.reset' },
    ...(obstacle('revert', machine) === undefined
      ? [{ title: vscode.l10n.t('Revert…'), command: 'vmCheckpoints.revert' as const }]
      : []),
  ];
  const choice = await vscode.window.showErrorMessage(
    vscode.l10n.t('“{0}”: {1}', machine.name, machine.problem ?? ''),
    ...ways,
  );
  if (choice !== undefined) {
    await vscode.commands.executeCommand(choice.command, { machine: machine.id });
  }
}
