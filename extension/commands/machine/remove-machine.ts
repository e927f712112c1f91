import * as vscode from 'vscode';
import { countCheckpoints } from '../../machines/descriptions.ts';
import type { CheckpointsContext } from '../../context.ts';
import { perform } from '../../operations/perform.ts';
import { formatSize } from '../../presentation/size.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const removeMachine: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'remove', vscode.l10n.t('Remove which machine?'));
  if (machine === undefined) {
    return undefined;
  }
  const bytes = await bytesOf(context, machine.name);
  const remove = vscode.l10n.t('Remove Machine');
  const choice = await vscode.window.showWarningMessage(
    vscode.l10n.t('Remove “{0}” and everything in it?', machine.name),
    {
      modal: true,
      detail: vscode.l10n.t(
        'This deletes its disks and {0} in {1}{2}, and cannot be undone. A disk that it was added from is not touched.',
        countCheckpoints(machine.checkpoints.length),
        machine.folder,
        bytes === undefined ? '' : ` (${formatSize(bytes)})`,
      ),
    },
    remove,
  );
  return choice === remove
    ? perform(context, {
        name: 'removeMachine',
        params: { machine: machine.name },
        title: vscode.l10n.t('Removing “{0}”…', machine.name),
        done: () => {
          context.machines.reloadSoon();
          vscode.window.setStatusBarMessage(vscode.l10n.t('Removed “{0}”.', machine.name), 10_000);
        },
      })
    : undefined;
};

/** What goes, by the plan of the removal; of a machine that is damaged nobody can tell. */
async function bytesOf({ engine }: CheckpointsContext, machine: string): Promise<number | undefined> {
  try {
    const { space } = await engine.request('plan', { operation: 'removeMachine', params: { machine } });
    return space.freed.mostBytes;
  } catch {
    return undefined;
  }
}
