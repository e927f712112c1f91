import * as vscode from 'vscode';
import { errorCodes, type WireError } from '../../engine/protocol/errors.ts';
import { withoutShellWords } from '../presentation/shell-words.ts';
import { translatedSentence } from './error-text.ts';

/** An error of the engine in the language of the window: in English the engine's own sentence. */
export function errorInWords(error: WireError): string {
  return vscode.l10n.bundle === undefined ? withoutShellWords(error.message) : translatedSentence(error, vscode.l10n);
}

/** Why something that went on without one of its parts left that out, in the language of the window. */
export function failureInWords({ code, message }: { code: string; message: string }): string {
  const known = errorCodes.find((one) => one === code);
  return known === undefined ? withoutShellWords(message) : errorInWords({ code: known, message, data: {} });
}
