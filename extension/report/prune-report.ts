import * as vscode from 'vscode';
import type { Result } from '../../engine/protocol/operations.ts';
import { failureInWords } from '../engine/error-in-words.ts';
import { localTime } from '../presentation/age.ts';
import { escapeMarkdown, markdownTable } from '../presentation/markdown.ts';
import { formatSize } from '../presentation/size.ts';

/** What the rules delete and keep, and why. */
export function pruneReport({ machines, failed, isDryRun }: Result<'prune'>): string {
  return [
    `# ${vscode.l10n.t('Retention')}`,
    ...machines.map(({ machine, deleted, kept, notes }) =>
      [
        `## ${escapeMarkdown(machine)}`,
        ...(deleted.length === 0
          ? [escapeMarkdown(vscode.l10n.t('Nothing is to be deleted.'))]
          : [
              `### ${isDryRun ? vscode.l10n.t('To be deleted') : vscode.l10n.t('Deleted')}`,
              markdownTable(
                [
                  vscode.l10n.t('Checkpoint'),
                  vscode.l10n.t('Taken'),
                  vscode.l10n.t('Why'),
                  vscode.l10n.t('Frees up to'),
                ],
                deleted.map(({ name, created, reason, freedBytes }) => [
                  name,
                  localTime(created),
                  reason,
                  formatSize(freedBytes),
                ]),
              ),
            ]),
        ...(kept.length === 0
          ? []
          : [
              `### ${vscode.l10n.t('Kept')}`,
              markdownTable(
                [vscode.l10n.t('Checkpoint'), vscode.l10n.t('Taken'), vscode.l10n.t('Why')],
                kept.map(({ name, created, reason }) => [name, localTime(created), reason]),
              ),
            ]),
        ...notes.map((note) => escapeMarkdown(note)),
      ].join('\n\n'),
    ),
    ...failed.map((one) => `## ${escapeMarkdown(one.machine)}\n\n${escapeMarkdown(failureInWords(one))}`),
  ].join('\n\n');
}
