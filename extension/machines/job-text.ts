import * as vscode from 'vscode';
import type { JobProgress } from '../../engine/protocol/jobs.ts';
import { formatSpan } from '../presentation/duration.ts';
import { formatSize } from '../presentation/size.ts';

/** What a job does, such as `Convert disk`. */
export function jobOperationText(operation: string): string {
  switch (operation) {
    case 'diskMerge':
      return vscode.l10n.t('Merge disks');
    case 'mergeLayers':
      return vscode.l10n.t('Merge layers');
    case 'packMemory':
      return vscode.l10n.t('Pack memory');
    case 'diskConvert':
      return vscode.l10n.t('Convert disk');
    case 'diskCompact':
      return vscode.l10n.t('Compact disk');
    case 'delete':
    case 'emptyTrash':
      return vscode.l10n.t('Delete for good');
    case 'clone':
      return vscode.l10n.t('Clone');
    case 'export':
      return vscode.l10n.t('Export');
    case 'import':
      return vscode.l10n.t('Import');
    case 'flatten':
      return vscode.l10n.t('Flatten');
    case 'move':
      return vscode.l10n.t('Move');
    default:
      return operation;
  }
}

/** How far it is, such as `45 % · 1.2 GiB of 2.6 GiB · 3 min left`; empty until that can be told. */
export function progressText(progress: JobProgress | undefined): string {
  if (progress === undefined) {
    return '';
  }
  const { fraction, doneBytes, totalBytes, remainingMs } = progress;
  return [
    ...(fraction === undefined ? [] : [`${Math.floor(fraction * 100)} %`]),
    ...(doneBytes === undefined || totalBytes === undefined
      ? []
      : [vscode.l10n.t('{0} of {1}', formatSize(doneBytes), formatSize(totalBytes))]),
    ...(remainingMs === undefined ? [] : [remainingText(remainingMs)]),
  ].join(' · ');
}

function remainingText(remainingMs: number): string {
  return remainingMs < 60_000
    ? vscode.l10n.t('less than a minute left')
    : vscode.l10n.t('{0} left', formatSpan(remainingMs));
}
