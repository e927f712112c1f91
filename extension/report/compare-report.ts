import * as vscode from 'vscode';
import type { DiskDifference } from '../../engine/protocol/compare.ts';
import type { CheckpointInfo } from '../../engine/protocol/machines.ts';
import type { Result } from '../../engine/protocol/operations.ts';
import { consistencyText } from '../machines/descriptions.ts';
import { localTime } from '../presentation/age.ts';
import { escapeMarkdown, markdownTable } from '../presentation/markdown.ts';
import { formatSize } from '../presentation/size.ts';

const mostRanges = 100;

/** In what two checkpoints of a machine differ. */
export function compareReport({ machine, checkpoint, other, isSame, disks, settings }: Result<'compare'>): string {
  return [
    `# ${escapeMarkdown(vscode.l10n.t('“{0}” and “{1}” of “{2}”', checkpoint.name, other.name, machine))}`,
    escapeMarkdown(
      isSame
        ? vscode.l10n.t('Their disks hold the same, and so do their settings.')
        : vscode.l10n.t('Disks and settings are compared; memory is not.'),
    ),
    factsTable(checkpoint, other),
    ...disks.map(diskPart),
    `## ${vscode.l10n.t('Settings')}`,
    settings.length === 0
      ? vscode.l10n.t('The settings are the same.')
      : markdownTable(
          [vscode.l10n.t('Setting'), checkpoint.name, other.name],
          settings.map((one) => [one.setting, one.checkpoint ?? '–', one.other ?? '–']),
        ),
  ].join('\n\n');
}

function factsTable(...both: [CheckpointInfo, CheckpointInfo]): string {
  const row = (label: string, value: (one: CheckpointInfo) => string): string[] => [label, ...both.map(value)];
  return markdownTable(
    ['', ...both.map(({ name }) => name)],
    [
      row(vscode.l10n.t('Taken'), ({ created }) => localTime(created)),
      row(vscode.l10n.t('Memory'), ({ hasMemory }) => (hasMemory ? vscode.l10n.t('saved') : vscode.l10n.t('none'))),
      row(vscode.l10n.t('Consistency'), ({ consistency }) => consistencyText(consistency)),
      row(vscode.l10n.t('Notes'), ({ notes }) => notes ?? ''),
    ],
  );
}

function diskPart(difference: DiskDifference): string {
  const { disk, isSame, differingBytes, differingRanges, ranges, virtualSizeBytes } = difference;
  const heading = `## ${escapeMarkdown(vscode.l10n.t('Disk {0}', disk))}`;
  if (difference.in !== 'both') {
    return [
      heading,
      difference.in === 'checkpoint'
        ? vscode.l10n.t('Only the first of the two has it.')
        : vscode.l10n.t('Only the second of the two has it.'),
    ].join('\n\n');
  }
  if (isSame) {
    return [heading, vscode.l10n.t('It holds the same.')].join('\n\n');
  }
  const shown = ranges.slice(0, mostRanges);
  return [
    heading,
    escapeMarkdown(
      vscode.l10n.t(
        '{0} of {1} differ, in ranges: {2}.',
        formatSize(differingBytes),
        formatSize(virtualSizeBytes),
        differingRanges,
      ),
    ),
    markdownTable(
      [vscode.l10n.t('From byte'), vscode.l10n.t('Length')],
      shown.map(({ offset, length }) => [String(offset), formatSize(length)]),
    ),
    ...(differingRanges > shown.length ? [vscode.l10n.t('These are the first {0}.', shown.length)] : []),
  ].join('\n\n');
}
