import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { formatSize } from '../presentation/size.ts';
import { freedText } from '../report/space-report.ts';
import type { Space } from './measure.ts';
import type { SpaceModel, SpaceRow } from './page-model.ts';

/** What a machine takes, and what deleting its parts would free. */
export function spaceModel(machine: MachineInfo, space: Space): SpaceModel {
  const { totalBytes, freeBytes, allCheckpoints, trash, nowBytes, unusedBytes } = space;
  const takes = new Map(space.checkpoints.map((checkpoint) => [checkpoint.id, checkpoint]));
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
      // In the order of the tree; what was not there when it was measured is told next time.
      ...machine.checkpoints.flatMap(({ id, name }) => {
        const taken = takes.get(id);
        return taken === undefined
          ? []
          : [row(name, freedText(taken.exclusive), taken.exclusive.mostBytes, formatSize(taken.sharedBytes))];
      }),
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
