import * as vscode from 'vscode';
import type { Result } from '../../engine/protocol/operations.ts';
import type { FreedBytes } from '../../engine/protocol/space.ts';
import { failureInWords } from '../engine/error-in-words.ts';
import { escapeMarkdown, markdownTable } from '../presentation/markdown.ts';
import { formatSize } from '../presentation/size.ts';

/** What machines and checkpoints take, and what deleting them would free. */
export function spaceReport({ machines, failed }: Result<'space'>): string {
  return [
    `# ${vscode.l10n.t('Space')}`,
    ...machines.map((machine) =>
      [
        `## ${escapeMarkdown(machine.machine)}`,
        escapeMarkdown(
          vscode.l10n.t(
            'Takes {0} in all. {1} are free on its volume.',
            formatSize(machine.totalBytes),
            formatSize(machine.freeBytes),
          ),
        ),
        markdownTable(
          [vscode.l10n.t('What'), vscode.l10n.t('Deleting it frees'), vscode.l10n.t('Shared with others')],
          [
            ...machine.checkpoints.map(({ name, exclusive, sharedBytes }) => [
              name,
              freedText(exclusive),
              formatSize(sharedBytes),
            ]),
            [vscode.l10n.t('All checkpoints'), freedText(machine.allCheckpoints), ''],
            [vscode.l10n.t('Trash'), freedText(machine.trash), ''],
            [vscode.l10n.t('Now (cannot be deleted)'), formatSize(machine.nowBytes), ''],
            ...(machine.unusedBytes === 0
              ? []
              : [
                  [
                    vscode.l10n.t('Files that nothing needs (Check for Problems tells of them)'),
                    formatSize(machine.unusedBytes),
                    '',
                  ],
                ]),
          ],
        ),
      ].join('\n\n'),
    ),
    ...failed.map((one) => `## ${escapeMarkdown(one.machine)}\n\n${escapeMarkdown(failureInWords(one))}`),
  ].join('\n\n');
}

/** Such as `1.2 GiB`, or `0 bytes to 1.2 GiB` where layers that merge may overlap. */
export function freedText({ leastBytes, mostBytes }: FreedBytes): string {
  const [least, most] = [formatSize(leastBytes), formatSize(mostBytes)];
  return least === most ? most : vscode.l10n.t('{0} to {1}', least, most);
}
