import * as vscode from 'vscode';
import { formatSpan } from './duration.ts';

/** How long ago something was, such as `5 min ago`. */
export function age(created: string, now = Date.now()): string {
  const milliseconds = now - Date.parse(created);
  return milliseconds < 60_000 ? vscode.l10n.t('just now') : vscode.l10n.t('{0} ago', formatSpan(milliseconds));
}

/** When a checkpoint will be deleted by itself, such as `expires in 23 h`. */
export function expiry(expires: string, now = Date.now()): string {
  const milliseconds = Date.parse(expires) - now;
  // Rounded up to the minute, so that 24 hours are not "23 h" from the first moment on.
  return milliseconds <= 0
    ? vscode.l10n.t('expired')
    : vscode.l10n.t('expires in {0}', formatSpan(milliseconds + 59_999));
}

/** Date and time as the user's locale writes them. */
export function localTime(time: string): string {
  return new Date(time).toLocaleString(vscode.env.language);
}
