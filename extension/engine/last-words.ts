/**
 * Of the last lines that a program printed on its error output, the one that tells most: the line that names an error,
 * which stands above a stack trace, else the last that is not empty.
 */
export function lastWords(lines: readonly string[]): string | undefined {
  const words = lines.map((line) => line.trim());
  return words.findLast((line) => /^(?:\w+ )?\w*Error\b.*:/.test(line)) ?? words.findLast((line) => line !== '');
}
