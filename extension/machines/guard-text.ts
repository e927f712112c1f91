import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';

/** How a guarded command ended, such as `exit code 3, reverted`. */
export function guardText({ guard }: CheckpointInfo): string {
  const end = guard?.end;
  if (end === undefined) {
    return vscode.l10n.t('guarded');
  }
  const how =
    end.signal !== undefined
      ? vscode.l10n.t('ended by {0}', end.signal)
      : end.exitCode !== undefined
        ? vscode.l10n.t('exit code {0}', end.exitCode)
        : vscode.l10n.t('interrupted');
  return end.outcome === 'kept' ? vscode.l10n.t('{0}, kept', how) : vscode.l10n.t('{0}, reverted', how);
}

/** What a checkpoint alone tells of the guard that it was taken for; absent when it was taken for none. */
export function guardState({ guards }: MachineInfo, checkpoint: CheckpointInfo): string | undefined {
  const state = guards?.find((one) => one.checkpoint === checkpoint.id)?.state;
  switch (state) {
    case 'running':
      return vscode.l10n.t('guarded command is running');
    case 'interrupted':
      return vscode.l10n.t('guard was interrupted');
    case undefined:
      return checkpoint.guard === undefined ? undefined : guardText(checkpoint);
  }
}
