import * as vscode from 'vscode';
import type { Result } from '../../engine/protocol/operations.ts';
import { sayingsInWords } from '../engine/saying-in-words.ts';

/** Of each machine of a group whose checkpoint is not what was asked for: why. */
export function problemTexts({ problems }: Result<'groupTake'>): string[] {
  return Object.entries(problems).map(([machine, { problem, problemSentences }]) =>
    vscode.l10n.t('“{0}”: {1}', machine, sayingsInWords(problemSentences, problem, vscode.l10n)),
  );
}
