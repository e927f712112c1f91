/** Parts of Markdown documents. Names come from users and files, so that their characters must mean nothing. */

export function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\\`*_{}[\]()#+\-!~|<>&:@.]/g, String.raw`\$&`).replaceAll(/\s+/g, ' ');
}

/** @param rows cells as plain text */
export function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeMarkdown).join(' | ')} |`;
  return [line(heads), `|${heads.map(() => ':--').join('|')}|`, ...rows.map(line)].join('\n');
}
