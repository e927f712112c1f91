import * as vscode from 'vscode';
import { perform } from '../../operations/perform.ts';
import { compareReport } from '../../report/compare-report.ts';
import type { CommandHandler } from '../command.ts';
import { chosenCheckpoints } from './chosen.ts';
import { tellNone } from './delete-selected.ts';

/** Shows in what two checkpoints of one machine differ. */
export const compareSelected: CommandHandler = async (context) => {
  const chosen = chosenCheckpoints(context);
  const [only, ...others] = chosen;
  if (only === undefined) {
    tellNone();
    return undefined;
  }
  const { machine } = only;
  const [checkpoint, other, ...more] = only.checkpoints;
  if (other === undefined || more.length > 0 || others.length > 0) {
    void vscode.window.showInformationMessage(
      vscode.l10n.t('Two checkpoints of one machine can be compared. Select exactly two.'),
    );
    return undefined;
  }
  const compared = await perform(context, {
    name: 'compare',
    params: { machine: machine.name, checkpoint: checkpoint.id, other: other.id },
    title: vscode.l10n.t('Comparing “{0}” with “{1}”…', checkpoint.name, other.name),
  });
  if (compared !== undefined) {
    const title = vscode.l10n.t('“{0}” and “{1}”', checkpoint.name, other.name);
    await context.reports.show(title, compareReport(compared));
  }
  return compared;
};
