import * as vscode from 'vscode';
import type { MachineInfo } from '../../../engine/protocol/machines.ts';
import type { OpenGuardInfo } from '../../../engine/protocol/guard-info.ts';
import { perform } from '../../operations/perform.ts';
import { tellGoesOn } from '../../operations/tell-goes-on.ts';
import type { CheckpointsContext } from '../../context.ts';
import type { CommandHandler } from '../command.ts';
import { referenceOf } from '../target.ts';

interface OpenGuard {
  machine: MachineInfo;
  guard: OpenGuardInfo;
}

/** Says what is to become of a guard whose process was killed: what its command did is reverted, or kept. */
export const endGuard: CommandHandler = async (context, argument) => {
  const chosen = await askGuard(context, argument);
  if (chosen === undefined) {
    return undefined;
  }
  const { machine, guard } = chosen;
  const revert = vscode.l10n.t('Revert');
  const keep = vscode.l10n.t('Keep');
  const choice = await vscode.window.showWarningMessage(
    vscode.l10n.t('The guard of “{0}” was interrupted. What is to become of what its command did?', commandText(guard)),
    {
      modal: true,
      detail: vscode.l10n.t(
        'See that the command itself no longer runs.\n\nRevert puts “{0}” back to “{1}”; what it is at present is kept for 24 hours. Keep takes a second checkpoint.',
        machine.name,
        guard.name,
      ),
    },
    revert,
    keep,
  );
  if (choice === undefined) {
    return undefined;
  }
  return perform(context, {
    name: 'guardEnd',
    params: {
      machine: machine.name,
      checkpoint: guard.checkpoint,
      end: {},
      outcome: choice === revert ? 'revert' : 'keep',
    },
    title: vscode.l10n.t('Ending the guard of “{0}”…', commandText(guard)),
    done: tellGoesOn,
  });
};

async function askGuard(context: CheckpointsContext, argument: unknown): Promise<OpenGuard | undefined> {
  const { machine: machineReference, checkpoint } = referenceOf(context, argument);
  if (context.machines.hosts === undefined) {
    await context.machines.reload();
  }
  const open = context.machines.machines
    .filter(({ id, name }) => machineReference === undefined || machineReference === id || machineReference === name)
    .flatMap((machine) => (machine.guards ?? []).map((guard) => ({ machine, guard })))
    .filter(({ guard }) => guard.state === 'interrupted')
    .filter(({ guard }) => checkpoint === undefined || guard.checkpoint === checkpoint);
  const [only, ...others] = open;
  if (only === undefined) {
    void vscode.window.showInformationMessage(vscode.l10n.t('No guard was interrupted.'));
    return undefined;
  }
  if (others.length === 0) {
    return only;
  }
  const picked = await vscode.window.showQuickPick(
    open.map((one) => ({ label: one.machine.name, description: commandText(one.guard), one })),
    { placeHolder: vscode.l10n.t('End which guard?') },
  );
  return picked?.one;
}

function commandText({ command }: OpenGuardInfo): string {
  return command.join(' ').slice(0, 100);
}
