/** What is on record of what happened to a machine: its checkpoints, its trash, and long work. */
import * as vscode from 'vscode';
import type { JobInfo, JobState } from '../../engine/protocol/jobs.ts';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import { createdByText } from '../machines/descriptions.ts';
import { guardText } from '../machines/guard-text.ts';
import { jobOperationText, progressText } from '../machines/job-text.ts';
import { age, localTime } from '../presentation/age.ts';
import { formatDuration } from '../presentation/duration.ts';
import type { HistoryEntry } from './page-model.ts';

interface Happened {
  /** ISO 8601. */
  at: string;
  what: string;
  more: string;
  isTrouble?: true;
}

/** The latest first. */
export function historyModel(machine: MachineInfo, jobs: readonly JobInfo[]): HistoryEntry[] {
  const trashed = machine.trash.map(({ checkpoint }) => checkpoint);
  return [
    ...[...machine.checkpoints, ...trashed].flatMap(ofCheckpoint),
    ...machine.trash.map(({ checkpoint, deleted }): Happened => ({
      at: deleted,
      what: vscode.l10n.t('Deleted “{0}”', checkpoint.name),
      more: vscode.l10n.t('in the trash'),
    })),
    ...jobs.map(ofJob),
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

function ofCheckpoint(checkpoint: CheckpointInfo): Happened[] {
  const { created, name, createdBy, guard, pauseMs } = checkpoint;
  return [
    {
      at: created,
      what: vscode.l10n.t('Took “{0}”', name),
      more: [
        createdByText(createdBy),
        ...(pauseMs === undefined ? [] : [vscode.l10n.t('stood still for {0}', formatDuration(pauseMs))]),
      ].join(' · '),
    },
    ...(guard?.end === undefined
      ? []
      : [{ at: guard.end.at, what: guard.command.join(' '), more: guardText(checkpoint) }]),
  ];
}

function ofJob({ operation, state, started, ended, progress, error }: JobInfo): Happened {
  return {
    at: ended ?? started,
    what: jobOperationText(operation),
    more: [
      jobStateText(state),
      ...(state === 'running' || state === 'interrupted' ? [progressText(progress)].filter((text) => text !== '') : []),
      ...(state === 'failed' && error !== undefined ? [error.message] : []),
    ].join(' · '),
    ...(state === 'failed' || state === 'interrupted' ? { isTrouble: true } : {}),
  };
}

function jobStateText(state: JobState): string {
  switch (state) {
    case 'running':
      return vscode.l10n.t('under way');
    case 'done':
      return vscode.l10n.t('done');
    case 'failed':
      return vscode.l10n.t('failed');
    case 'cancelled':
      return vscode.l10n.t('cancelled');
    case 'interrupted':
      return vscode.l10n.t('interrupted: resume or undo it in the tree');
  }
}
