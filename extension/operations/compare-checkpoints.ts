import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import type { Result } from '../../engine/protocol/operations.ts';
import type { CheckpointsContext } from '../context.ts';
import { compareReport } from '../report/compare-report.ts';
import { perform } from './perform.ts';

/** Shows in what two checkpoints of a machine differ, as a document; undefined when that failed, and the user was told. */
export async function compareCheckpoints(
  context: CheckpointsContext,
  machine: MachineInfo,
  checkpoint: CheckpointInfo,
  other: CheckpointInfo,
): Promise<Result<'compare'> | undefined> {
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
}
