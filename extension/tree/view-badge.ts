/** The number on the icon of the view, and what it stands for. */
import * as vscode from 'vscode';
import { countOf, type Attention } from '../machines/attention.ts';

/** Absent while there is nothing to tell. */
export function viewBadge(attention: Attention): vscode.ViewBadge | undefined {
  const value = countOf(attention);
  return value === 0 ? undefined : { value, tooltip: attentionText(attention) };
}

/** Such as `1 job running, 2 machines with problems`. */
function attentionText({ runningJobs, interruptedJobs, faultyMachines }: Attention): string {
  return [
    ...(runningJobs === 0
      ? []
      : [runningJobs === 1 ? vscode.l10n.t('1 job running') : vscode.l10n.t('{0} jobs running', runningJobs)]),
    ...(interruptedJobs === 0
      ? []
      : [
          interruptedJobs === 1
            ? vscode.l10n.t('1 interrupted job')
            : vscode.l10n.t('{0} interrupted jobs', interruptedJobs),
        ]),
    ...(faultyMachines === 0
      ? []
      : [
          faultyMachines === 1
            ? vscode.l10n.t('1 machine with problems')
            : vscode.l10n.t('{0} machines with problems', faultyMachines),
        ]),
  ].join(', ');
}
