import type * as vscode from 'vscode';
import { withoutShellWords } from '../presentation/shell-words.ts';
import { translatedSentence } from './error-text.ts';
import { sayingsText } from './saying-text.ts';

/** As VS Code translates; without a bundle into English. */
export type Language = Pick<typeof vscode.l10n, 't' | 'bundle'>;

/**
 * What the engine says, in the language of the window.
 * @param english what it says in English: that is shown in English, and where its sentences are not known here
 */
export function sayingsInWords(sayings: unknown, english: string, l10n: Language): string {
  const translated =
    l10n.bundle === undefined ? undefined : sayingsText(sayings, l10n, (error) => translatedSentence(error, l10n));
  return withoutShellWords(translated ?? english);
}
