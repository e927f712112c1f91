/** Deletes what expired and what the policies do not keep, after a document has shown what that is. */
import * as vscode from 'vscode';
import type { CheckpointsContext } from '../../context.ts';
import { failureInWords } from '../../engine/error-in-words.ts';
import { countCheckpoints } from '../../machines/descriptions.ts';
import { perform } from '../../operations/perform.ts';
import { pruneReport } from '../../report/prune-report.ts';
import type { CommandHandler } from '../command.ts';
import { askMachineOrAll } from '../target.ts';

export const prune: CommandHandler = async (context, argument) => {
  const scope = await askMachineOrAll(context, argument, vscode.l10n.t('Prune checkpoints of which machine?'));
  return scope && previewPrune(context, scope);
};

/** @param scope absent `machine`: all machines */
export async function previewPrune(context: CheckpointsContext, scope: { machine?: string }): Promise<unknown> {
  const plan = await perform(context, {
    name: 'prune',
    params: { ...scope, dryRun: true },
    title: vscode.l10n.t('Finding out what is to be deleted…'),
  });
  if (plan === undefined) {
    return undefined;
  }
  const count = plan.machines.reduce((sum, { deleted }) => sum + deleted.length, 0);
  await context.reports.show(vscode.l10n.t('Retention'), pruneReport(plan));
  if (count === 0) {
    void vscode.window.showInformationMessage(
      vscode.l10n.t('Nothing is to be deleted. The report tells why each checkpoint stays.'),
    );
    return plan;
  }
  const button = vscode.l10n.t('Delete {0}…', countCheckpoints(count));
  void vscode.window
    .showInformationMessage(
      vscode.l10n.t('{0} are to be deleted for good. The report tells which, and why.', countCheckpoints(count)),
      button,
    )
    .then((choice) => (choice === button ? carryOut(context, scope, count) : undefined));
  return plan;
}

async function carryOut(context: CheckpointsContext, scope: { machine?: string }, count: number): Promise<void> {
  const button = vscode.l10n.t('Delete for Good');
  const choice = await vscode.window.showWarningMessage(
    vscode.l10n.t('Delete {0} for good?', countCheckpoints(count)),
    { modal: true, detail: vscode.l10n.t('What the rules delete does not go to the trash. This cannot be undone.') },
    button,
  );
  if (choice === button) {
    await perform(context, {
      name: 'prune',
      params: scope,
      title: vscode.l10n.t('Pruning checkpoints…'),
      done: ({ machines, failed }) => {
        const deleted = machines.reduce((sum, one) => sum + one.deleted.length, 0);
        const [first] = failed;
        if (first === undefined) {
          void vscode.window.showInformationMessage(vscode.l10n.t('{0} deleted.', countCheckpoints(deleted)));
        } else {
          void vscode.window.showWarningMessage(
            vscode.l10n.t(
              '{0} deleted. “{1}” could not be pruned: {2}',
              countCheckpoints(deleted),
              first.machine,
              failureInWords(first),
            ),
          );
        }
      },
    });
  }
}
