/** Variables that a VS Code, npm or tsx around us sets, and that would change how the VS Code under test behaves. */
const foreign = [
  /^VSCODE_/,
  /^ELECTRON_/,
  /^CHROME_/,
  /^XDG_/,
  /^npm_(package|lifecycle)_/,
  /^npm_(command|execpath|node_execpath)$/,
  /^npm_config_(local_prefix|ignore_scripts|omit|include|workspaces?|global|prefix|dry_run)$/,
  /^(INIT_CWD|NODE_OPTIONS|NODE_V8_COVERAGE|NODE_PATH|NODE_ENV|NODE_TEST_CONTEXT)$/,
  /^(PORT|PASSWORD|HASHED_PASSWORD|TERM_PROGRAM|TERM_PROGRAM_VERSION|BROWSER|GIT_ASKPASS)$/,
];

/** Our own environment without what would leak into the child, plus `extra` (`undefined` removes a variable). */
export function cleanEnvironment(extra: Readonly<Record<string, string | undefined>> = {}): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !foreign.some((pattern) => pattern.test(name)));
  const merged: Record<string, string | undefined> = { ...Object.fromEntries(kept), ...extra };
  return Object.fromEntries(
    Object.entries(merged).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
