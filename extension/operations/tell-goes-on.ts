import * as vscode from 'vscode';
import type { Result } from '../../engine/protocol/operations.ts';
import { goesOnText } from './told-afterwards.ts';

/** Tells what was done for the guest of a machine that goes on; the tree shows that it does. */
export function tellGoesOn(result: Result<'start'>): void {
  const text = goesOnText(result, vscode.l10n);
  if (text !== undefined) {
    void vscode.window.showInformationMessage(text);
  }
}
