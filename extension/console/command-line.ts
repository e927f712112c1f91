/** Command lines of `ckpt` that do what the editor does, quoted for the shells of the platform. */

export function commandLine(words: readonly string[], platform: NodeJS.Platform = process.platform): string {
  return ['ckpt', ...words].map((word) => quote(word, platform)).join(' ');
}

function quote(word: string, platform: NodeJS.Platform): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) {
    return word;
  }
  // Names hold no quotes of any kind, but a shell such as sh expands within double ones.
  return platform === 'win32' ? `"${word}"` : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
