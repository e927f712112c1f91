/** The command `ckpt` for terminals: two small files that run the engine's program with VS Code's Node. */

/** @param script path of `dist/engine.js` */
export function posixShim(script: string): string {
  return `#!/bin/sh
ELECTRON_RUN_AS_NODE=1 exec "\${VM_CHECKPOINTS_NODE:-node}" ${quoteForSh(script)} "$@"
`;
}

/** @param script path of `dist/engine.js` */
export function windowsShim(script: string): string {
  // In a batch file a percent sign in a path is written twice.
  const quoted = `"${script.replaceAll('%', '%%')}"`;
  return [
    '@echo off',
    'setlocal',
    'set ELECTRON_RUN_AS_NODE=1',
    'if not defined VM_CHECKPOINTS_NODE set VM_CHECKPOINTS_NODE=node',
    `"%VM_CHECKPOINTS_NODE%" ${quoted} %*`,
    '',
  ].join('\r\n');
}

function quoteForSh(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
