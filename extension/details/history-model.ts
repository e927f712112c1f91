/** What was done to a machine, by whichever program, and long work on it that has not ended well. */
import * as vscode from 'vscode';
import type { PastChange } from '../../engine/protocol/history.ts';
import type { JobInfo } from '../../engine/protocol/jobs.ts';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import { errorInWords } from '../engine/error-in-words.ts';
import { createdByText } from '../machines/descriptions.ts';
import { guardText } from '../machines/guard-text.ts';
import { jobOperationText, progressText } from '../machines/job-text.ts';
import { age, localTime } from '../presentation/age.ts';
import { formatDuration } from '../presentation/duration.ts';
import type { HistoryEntry } from './page-model.ts';
import { pastChangeText } from './past-change-text.ts';

interface Happened {
  /** ISO 8601. */
  at: string;
  what: string;
  more: string;
  isTrouble?: true;
}

/** The latest first. @param changes the latest first */
export function historyModel(
  machine: MachineInfo,
  changes: readonly PastChange[],
  jobs: readonly JobInfo[],
): HistoryEntry[] {
  const since = changes.at(-1)?.at;
  // What is older than the record is told by what is left of it.
  const before = takenAndDeleted(machine).filter(({ at }) => since === undefined || Date.parse(at) < Date.parse(since));
  return [
    ...before,
    ...machine.checkpoints.flatMap(ofGuard),
    ...changes.map(ofChange),
    ...jobs.filter(({ state }) => state === 'running' || state === 'interrupted').map(ofJob),
  ]
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at))
    .map(({ at, what, more, isTrouble }) => ({
      when: age(at),
      time: localTime(at),
      what,
      more,
      isTrouble: isTrouble ?? false,
    }));
}

function takenAndDeleted({ checkpoints, trash }: MachineInfo): Happened[] {
  return [
    ...[...checkpoints, ...trash.map(({ checkpoint }) => checkpoint)].map(({ created, name, createdBy }) => ({
      at: created,
      what: vscode.l10n.t('Took “{0}”', name),
      more: createdByText(createdBy),
    })),
    ...trash.map(({ checkpoint, deleted }) => ({
      at: deleted,
      what: vscode.l10n.t('Deleted “{0}”', checkpoint.name),
      more: vscode.l10n.t('in the trash'),
    })),
  ];
}

function ofGuard(checkpoint: CheckpointInfo): Happened[] {
  const { guard } = checkpoint;
  return guard?.end === undefined
    ? []
    : [{ at: guard.end.at, what: guard.command.join(' '), more: guardText(checkpoint) }];
}

function ofChange(change: PastChange): Happened {
  const { at, face, outcome, durationMs, error } = change;
  return {
    at,
    what: pastChangeText(change),
    more: [
      face,
      ...(durationMs === undefined ? [] : [formatDuration(durationMs)]),
      ...(outcome === 'done' ? [] : [outcomeText(outcome)]),
      ...(error === undefined ? [] : [errorInWords({ ...error, data: {} })]),
    ].join(' · '),
    ...(outcome === 'failed' || outcome === 'interrupted' ? { isTrouble: true } : {}),
  };
}

function outcomeText(outcome: Exclude<PastChange['outcome'], 'done'>): string {
  switch (outcome) {
    case 'failed':
      return vscode.l10n.t('failed');
    case 'cancelled':
      return vscode.l10n.t('cancelled');
    case 'interrupted':
      return vscode.l10n.t('interrupted; ended or taken back afterwards');
  }
}

function ofJob({ operation, state, started, progress }: JobInfo): Happened {
  return {
    at: started,
    what: jobOperationText(operation),
    more: [
      state === 'running' ? vscode.l10n.t('under way') : vscode.l10n.t('interrupted: resume or undo it in the tree'),
      ...[progressText(progress)].filter((text) => text !== ''),
    ].join(' · '),
    ...(state === 'interrupted' ? { isTrouble: true } : {}),
  };
}
