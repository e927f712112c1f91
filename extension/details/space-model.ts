import * as vscode from 'vscode';
import { formatSize } from '../presentation/size.ts';
import { freedText } from '../report/space-report.ts';
import type { Space } from './measure.ts';
import type { SpaceModel, SpaceRow } from './page-model.ts';

/** What a machine takes, and what deleting its parts would free. */
export function spaceModel(space: Space): SpaceModel {
  const { totalBytes, freeBytes, checkpoints, allCheckpoints, trash, nowBytes, unusedBytes } = space;
  const row = (name: string, frees: string, bytes: number, shared = ''): SpaceRow => ({
    name,
    frees,
    shared,
    share: totalBytes === 0 ? 0 : Math.min(1, bytes / totalBytes),
  });
  return {
    summary: vscode.l10n.t(
      'Takes {0} in all. {1} are free on its volume.',
      formatSize(totalBytes),
      formatSize(freeBytes),
    ),
    rows: [
      row(vscode.l10n.t('Now (cannot be deleted)'), formatSize(nowBytes), nowBytes),
      ...checkpoints.map(({ name, exclusive, sharedBytes }) =>
        row(name, freedText(exclusive), exclusive.mostBytes, formatSize(sharedBytes)),
      ),
      row(vscode.l10n.t('All checkpoints'), freedText(allCheckpoints), allCheckpoints.mostBytes),
      row(vscode.l10n.t('Trash'), freedText(trash), trash.mostBytes),
      ...(unusedBytes === 0
        ? []
        : [
            row(
              vscode.l10n.t('Files that nothing needs (Check for Problems tells of them)'),
              formatSize(unusedBytes),
              unusedBytes,
            ),
          ]),
    ],
  };
}
