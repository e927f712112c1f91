import * as vscode from 'vscode';
import type { NameProblem } from './names.ts';

/** The sentence under an input box while the name in it cannot be used. */
export function nameProblemText(problem: NameProblem | undefined): string | undefined {
  switch (problem) {
    case undefined:
      return undefined;
    case 'empty':
      return vscode.l10n.t('The name must not be empty.');
    case 'tooLong':
      return vscode.l10n.t('The name is too long. Names have at most 100 characters.');
    case 'controlCharacter':
      return vscode.l10n.t('The name must not contain line breaks or other control characters.');
    case 'quoteOrSlash':
      return vscode.l10n.t('The name must not contain quotes or slashes.');
    case 'fileNameCharacter':
      return vscode.l10n.t('The name must not contain any of < > : | ? *');
    case 'windowsDevice':
      return vscode.l10n.t('Windows keeps this name for a device.');
    case 'edge':
      return vscode.l10n.t('The name must not begin with a dot or a hyphen, or end with a dot.');
  }
}
