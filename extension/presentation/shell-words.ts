/**
 * A sentence of the engine without what to type in a shell, which it puts in parentheses: here there are commands and buttons.
 * What has no command here, such as `ckpt disk`, stays.
 */
export function withoutShellWords(sentence: string): string {
  return sentence.replace(/ \(ckpt (?!disk\b)[^()]*\)/g, '');
}
