import * as vscode from 'vscode';
import { consoleTitle } from '../machines/checkpoint-facts.ts';

/** A tooltip of a heading, a sentence and facts. Texts are shown as they are: names come from users and files. */
export function tooltip(
  heading: string,
  sentence: string | undefined,
  facts: readonly (readonly [label: string, value: string | undefined])[],
): vscode.MarkdownString {
  const text = new vscode.MarkdownString();
  text.appendMarkdown('**').appendText(heading).appendMarkdown('**');
  if (sentence !== undefined) {
    text.appendMarkdown('\n\n').appendText(sentence);
  }
  const known = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined);
  if (known.length > 0) {
    text.appendMarkdown('\n\n| | |\n|:--|:--|\n');
    for (const [label, value] of known) {
      text.appendMarkdown('| ').appendText(label).appendMarkdown(' | ').appendText(value).appendMarkdown(' |\n');
    }
  }
  return text;
}

/** @param picture last lines of what a console showed, which is the guest's to say: they are a block of code of no language */
export function withConsole(text: vscode.MarkdownString, picture: string): vscode.MarkdownString {
  return text.appendMarkdown('\n\n').appendText(consoleTitle()).appendCodeblock(picture.trimEnd(), 'text');
}

/** @param marks what the letters beside the row stand for */
export function withMarks(text: vscode.MarkdownString, marks: readonly string[]): vscode.MarkdownString {
  return marks.length === 0 ? text : text.appendMarkdown('\n\n').appendText(marks.join(' · '));
}
