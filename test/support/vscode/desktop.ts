import { realpathSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { runTests } from '@vscode/test-electron';
import { findOnPath, isExecutable } from './executable.ts';
import { type ExtensionHostSuite, readReport, reportVariable, suiteTimeoutMilliseconds } from './extension-host.ts';
import { makeTemporaryFolder } from './temporary-folder.ts';
import { writeUserSettings } from './user-settings.ts';

/** What became of a run: the suite's report, or why there is no VS Code to run it in. */
export type DesktopRun = { readonly report: string } | { readonly skipped: string };

/**
 * Runs a suite in the VS Code of this desktop, apart from its owner's settings, extensions and windows. Prints why when
 * there is none.
 * @throws when a test fails, the time is up, or there is no report
 */
export async function runDesktopSuite(suite: ExtensionHostSuite): Promise<DesktopRun> {
  const found = findDesktop(process.env, process.platform);
  if ('missing' in found) {
    suite.log(`not run in a desktop VS Code: ${found.missing}`);
    return { skipped: found.missing };
  }
  suite.log(`running in ${found.executable}`);
  await rm(suite.reportFile, { force: true });
  const folder = await makeTemporaryFolder();
  try {
    const userDataFolder = path.join(folder.path, 'data');
    await writeUserSettings(userDataFolder, suite.settings ?? {}, suite.log);
    const code = await runBounded(suite.timeoutMilliseconds ?? suiteTimeoutMilliseconds, () =>
      runTests({
        vscodeExecutablePath: found.executable,
        extensionDevelopmentPath: suite.extensionFolder,
        extensionTestsPath: suite.suiteFile,
        extensionTestsEnv: { ...withoutOuterEditor(process.env), ...suite.env, [reportVariable]: suite.reportFile },
        launchArgs: [
          suite.workspaceFolder,
          `--user-data-dir=${userDataFolder}`,
          `--extensions-dir=${path.join(folder.path, 'extensions')}`,
        ],
      }),
    );
    return { report: await readReport(suite.reportFile, code, []) };
  } finally {
    await folder.remove();
  }
}

/** Removes what the terminal of another VS Code sets, and what makes the executable behave like Node. */
function withoutOuterEditor(environment: NodeJS.ProcessEnv): Record<string, undefined> {
  const names = Object.keys(environment).filter((name) => /^(VSCODE_|ELECTRON_RUN_AS_NODE$|NODE_OPTIONS$)/.test(name));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

/**
 * Bounds a run of the test library. It offers no way to end VS Code, but listens for an interrupt: the first closes VS
 * Code, the second kills it. Only its own listeners are called.
 * @returns the exit code
 */
async function runBounded(timeoutMilliseconds: number, run: () => Promise<number>): Promise<number> {
  const others = new Set(process.listeners('SIGINT'));
  const interrupt = (): void => {
    for (const listener of process.listeners('SIGINT')) if (!others.has(listener)) listener('SIGINT');
  };
  const running = run();
  const late = new AbortController();
  const timers = [0, 5000].map((grace) =>
    setTimeout(() => {
      late.abort();
      interrupt();
    }, timeoutMilliseconds + grace),
  );
  try {
    return await running;
  } catch (error) {
    if (late.signal.aborted)
      throw new Error(`the suite ran longer than ${timeoutMilliseconds / 1000} s`, { cause: error });
    const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
    if (typeof code === 'number') return code;
    throw error;
  } finally {
    timers.forEach(clearTimeout);
  }
}

/** The executable of an installed VS Code, or why none can be used. VSCODE_DESKTOP names one, else `code` on PATH leads to it. */
export function findDesktop(
  environment: NodeJS.ProcessEnv,
  platform: NodeJS.Platform,
): { readonly executable: string } | { readonly missing: string } {
  if (platform === 'linux' && !environment['DISPLAY'] && !environment['WAYLAND_DISPLAY']) {
    return { missing: 'there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)' };
  }
  const named = environment['VSCODE_DESKTOP'];
  if (named) {
    return isExecutable(named) ? { executable: named } : { missing: `VSCODE_DESKTOP is ${named}, which cannot be run` };
  }
  const command = platform === 'win32' ? 'code.cmd' : 'code';
  const script = findOnPath(command, environment);
  if (script === undefined) return { missing: `there is no ${command} on PATH, and VSCODE_DESKTOP is not set` };
  const executable = executables(realpathSync(script), platform).find(isExecutable);
  return executable === undefined
    ? { missing: `${script} does not lead to the executable of VS Code. Name it in VSCODE_DESKTOP` }
    : { executable };
}

/** Where the executable may be, seen from the script that PATH leads to. */
function executables(script: string, platform: NodeJS.Platform): string[] {
  const up = (levels: number, ...rest: string[]): string =>
    path.resolve(path.dirname(script), ...Array<string>(levels).fill('..'), ...rest);
  switch (platform) {
    case 'darwin': // Visual Studio Code.app/Contents/Resources/app/bin/code
      return [up(3, 'MacOS/Code'), up(3, 'MacOS/Electron')];
    case 'win32': // Microsoft VS Code\bin\code.cmd
      return [up(1, 'Code.exe')];
    default: // /usr/share/code/bin/code; the snap command is a link to snap itself
      return [up(1, 'code'), '/snap/code/current/usr/share/code/code'];
  }
}
