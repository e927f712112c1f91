import * as vscode from 'vscode';

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
