/** What is known of a checkpoint, as label and value; the same in its tooltip and in the details. */
import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import type { CheckpointSpace } from '../../engine/protocol/space.ts';
import { age, expiry, localTime } from '../presentation/age.ts';
import { formatDuration } from '../presentation/duration.ts';
import { formatSize } from '../presentation/size.ts';
import { freedText } from '../report/space-report.ts';
import { consistencyText, createdByText, firmwareText, memoryMethodText } from './descriptions.ts';
import { guardState } from './guard-text.ts';

/** A fact without a value is not known, or does not hold. */
export type NamedFact = readonly [label: string, value: string | undefined];

/** @param grewFrom its parent; absent for a root @param face the program that made it, where that is known */
export function checkpointFacts(
  machine: MachineInfo,
  checkpoint: CheckpointInfo,
  grewFrom: CheckpointInfo | undefined,
  face?: string,
): NamedFact[] {
  return [
    [vscode.l10n.t('Grew from'), grewFrom?.name],
    [vscode.l10n.t('Kind'), kindText(checkpoint)],
    [vscode.l10n.t('Taken'), `${localTime(checkpoint.created)} (${age(checkpoint.created)})`],
    [vscode.l10n.t('Why'), createdByText(checkpoint.createdBy)],
    [vscode.l10n.t('Through'), face],
    [vscode.l10n.t('Guarded command'), checkpoint.guard?.command.join(' ')],
    [vscode.l10n.t('Guard'), guardState(machine, checkpoint)],
    [
      vscode.l10n.t('Expires'),
      checkpoint.expires && `${localTime(checkpoint.expires)} (${expiry(checkpoint.expires)})`,
    ],
    [vscode.l10n.t('Memory'), memoryText(checkpoint)],
    [vscode.l10n.t('Consistency'), consistencyText(checkpoint.consistency)],
    [vscode.l10n.t('Stood still'), checkpoint.pauseMs === undefined ? undefined : formatDuration(checkpoint.pauseMs)],
    [vscode.l10n.t('Took'), checkpoint.totalMs === undefined ? undefined : formatDuration(checkpoint.totalMs)],
    [vscode.l10n.t('Firmware'), firmwareText(machine)],
    [vscode.l10n.t('Git'), checkpoint.git && gitText(checkpoint.git)],
    [vscode.l10n.t('Id'), checkpoint.id],
  ];
}

/** Above the last lines of what a machine's console showed when a checkpoint was taken. */
export function consoleTitle(): string {
  return vscode.l10n.t('On its console then');
}

export function sizeFacts(space: CheckpointSpace | undefined): NamedFact[] {
  return [
    [vscode.l10n.t('Takes alone'), space && freedText(space.exclusive)],
    [vscode.l10n.t('Shares with others'), space && formatSize(space.sharedBytes)],
  ];
}

/** What was asked for is not on record; what was achieved is. */
function kindText({ hasMemory, consistency }: CheckpointInfo): string {
  if (hasMemory) {
    return vscode.l10n.t('standard');
  }
  return consistency === 'application' || consistency === 'file-system'
    ? vscode.l10n.t('production')
    : vscode.l10n.t('disks only');
}

function memoryText({ hasMemory, memoryFileBytes, unpackedMemoryBytes, memoryMethod }: CheckpointInfo): string {
  if (!hasMemory) {
    return vscode.l10n.t('none: the machine starts from its disks');
  }
  return [
    vscode.l10n.t('saved'),
    ...(memoryFileBytes === undefined ? [] : [formatSize(memoryFileBytes)]),
    ...(unpackedMemoryBytes === undefined ? [] : [vscode.l10n.t('packed, was {0}', formatSize(unpackedMemoryBytes))]),
    ...(memoryMethod === undefined ? [] : [memoryMethodText(memoryMethod)]),
  ].join(', ');
}

function gitText({ branch, commit }: { branch?: string; commit: string }): string {
  const short = commit.slice(0, 10);
  return branch === undefined ? short : `${branch}, ${short}`;
}
