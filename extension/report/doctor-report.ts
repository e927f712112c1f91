import * as vscode from 'vscode';
import type { Finding } from '../../engine/protocol/doctor.ts';
import type { Result } from '../../engine/protocol/operations.ts';
import { sayingsInWords } from '../engine/saying-in-words.ts';
import { remedyText } from './remedy-text.ts';
import { escapeMarkdown } from '../presentation/markdown.ts';

/** What the doctor found, machine by machine, the worst first, and then what belongs to no machine. */
export function doctorReport({ machines, home, isSound }: Result<'doctor'>): string {
  const head = isSound
    ? vscode.l10n.t('Nothing is wrong that was not repaired.')
    : vscode.l10n.t('Each problem says what comes of it, and what to do about it.');
  return [
    `# ${vscode.l10n.t('Problems')}`,
    escapeMarkdown(head),
    ...[...machines, { machine: vscode.l10n.t('Belonging to no machine'), findings: home }]
      .filter(({ findings }) => findings.length > 0)
      .map(({ machine, findings }) =>
        [
          `## ${escapeMarkdown(machine)}`,
          '',
          ...findings.toSorted((a, b) => rank(a) - rank(b)).map((finding) => findingText(finding)),
        ].join('\n'),
      ),
  ].join('\n\n');
}

function findingText(finding: Finding): string {
  const { path, remedies = [] } = finding;
  const found = sayingsInWords(finding.sentences, finding.message, vscode.l10n);
  const message = [found, ...remedies.map(remedyText)].join(' ');
  const where = message.includes(path) ? '' : `  \n  ${escapeMarkdown(path)}`;
  return `- **${escapeMarkdown(severityText(finding))}** ${escapeMarkdown(message)}${where}`;
}

function rank({ isRepaired, severity }: Finding): number {
  return isRepaired ? 3 : ['error', 'warning', 'info'].indexOf(severity);
}

function severityText({ isRepaired, severity }: Finding): string {
  if (isRepaired) {
    return vscode.l10n.t('Repaired.');
  }
  switch (severity) {
    case 'error':
      return vscode.l10n.t('Error.');
    case 'warning':
      return vscode.l10n.t('Warning.');
    case 'info':
      return vscode.l10n.t('Good to know.');
  }
}
