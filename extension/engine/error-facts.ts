import type * as vscode from 'vscode';

/** As VS Code translates. */
export type Translator = Pick<typeof vscode.l10n, 't'>;

/** Facts behind a sentence of the engine; nothing about them is certain. */
export type Facts = Readonly<Record<string, unknown>>;

/** A text that names something; undefined for anything else. */
export function wordsIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Texts in a row; empty for anything else. */
export function listIn(value: unknown): string {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string').join(', ') : '';
}
