import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import type { CheckpointsContext } from '../context.ts';
import { perform } from './perform.ts';

/** Brings deleted checkpoints back, in the order given; stops at the first that fails, of which the user is told. */
export async function restoreCheckpoints(
  context: CheckpointsContext,
  machine: MachineInfo,
  checkpoints: readonly CheckpointInfo[],
): Promise<void> {
  for (const { id, name } of checkpoints) {
    const restored = await perform(context, {
      name: 'restore',
      params: { machine: machine.name, checkpoint: id },
      title: vscode.l10n.t('Restoring checkpoint “{0}” of “{1}”…', name, machine.name),
    });
    if (restored === undefined) {
      return;
    }
    vscode.window.setStatusBarMessage(vscode.l10n.t('Restored checkpoint “{0}”.', name), 10_000);
  }
}
