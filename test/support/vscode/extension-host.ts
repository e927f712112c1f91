import { readFile, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { startBrowser } from './browser.ts';
import type { CodeServer } from './install.ts';
import { type Server, startServer } from './server.ts';
import type { Settings } from './user-settings.ts';

/** A test suite that runs inside VS Code, beside the extension under test. */
export interface ExtensionHostSuite {
  /** The folder with the extension's package.json. */
  readonly extensionFolder: string;
  /** A CommonJS file that exports `run(): Promise<void>`, which rejects when a test fails. */
  readonly suiteFile: string;
  readonly workspaceFolder: string;
  /** Where the suite writes what it found; it reads the name from the variable {@link reportVariable}. */
  readonly reportFile: string;
  /** Environment of the suite and the extension. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly settings?: Settings;
  readonly timeoutMilliseconds?: number;
  readonly log: (line: string) => void;
}

/** Bundles a suite's program, for {@link ExtensionHostSuite}. */
export async function bundleSuite(program: string, suiteFile: string): Promise<void> {
  await build({
    entryPoints: [program],
    outfile: suiteFile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    external: ['vscode'],
  });
}

/** The environment variable in which a suite finds the name of its report file. */
export const reportVariable = 'EXTENSION_HOST_REPORT';

/** What VS Code itself logs during a run, in between the lines of the suite. */
const chatter = [
  /^(Resolving|Resolved) connection token/,
  /^Creating a socket/,
  /^\[(reconnection-grace-time|Service Worker|AgentHost.*|AccountPolicyGate)\]/,
  /^Ignoring fetching additional builtin extensions/,
  /^Updating additional builtin extensions/,
  /^Creation of workbench contribution/,
  /^Cannot find module '.\/build\/Release\/watchdog'/,
  /^ChatSessionStore:/,
];

/** How long a suite may take, VS Code's own start included. */
export const suiteTimeoutMilliseconds = 180_000;

/**
 * Runs a suite in the extension host of an installed VS Code.
 * @returns the report that the suite wrote
 * @throws when a test fails, the time is up, or there is no report, which would mean that no test ran
 */
export async function runExtensionHostSuite(
  suite: ExtensionHostSuite & { readonly codeServer: CodeServer },
): Promise<string> {
  const printed: string[] = [];
  const log = (line: string): void => {
    if (chatter.some((pattern) => pattern.test(line))) return;
    printed.push(line);
    suite.log(line);
  };
  await rm(suite.reportFile, { force: true });
  const server = await startServer({
    codeServer: suite.codeServer,
    workspaceFolder: suite.workspaceFolder,
    env: { ...suite.env, [reportVariable]: suite.reportFile },
    ...(suite.settings === undefined ? {} : { settings: suite.settings }),
    smokeTestDriver: true,
    log: suite.log,
  });
  try {
    const code = await runInPage(server, suite, log);
    return await readReport(suite.reportFile, code, printed);
  } finally {
    await server.dispose();
  }
}

/**
 * Reads what a suite wrote before VS Code ended.
 * @param printed what it printed; the last lines become part of the error
 * @throws when the exit code is not 0 or the report is missing
 */
export async function readReport(reportFile: string, code: number, printed: readonly string[]): Promise<string> {
  const report = await readFile(reportFile, 'utf8').catch(() => undefined);
  const lastLines = printed.slice(-40).join('\n');
  if (report === undefined) {
    throw new Error(`the suite ended with code ${code} and wrote no report ${reportFile}. It printed:\n${lastLines}`);
  }
  if (code !== 0)
    throw new Error(`the suite failed with code ${code}. It printed:\n${lastLines}\nIt reported:\n${report}`);
  return report;
}

async function runInPage(server: Server, suite: ExtensionHostSuite, log: (line: string) => void): Promise<number> {
  const timeoutMilliseconds = suite.timeoutMilliseconds ?? suiteTimeoutMilliseconds;
  const browser = await startBrowser();
  const ended = new AbortController();
  try {
    const page = await browser.openPage();
    let finish: (code: number) => void = () => undefined;
    const exitCode = new Promise<number>((resolve) => {
      finish = resolve;
    });
    await exposeAutomation(page, log, (code) => {
      finish(code);
    });
    await page.goto(suiteAddress(server, suite), { timeout: timeoutMilliseconds });
    const late = delay(timeoutMilliseconds, undefined, { signal: ended.signal }).then(() => {
      throw new Error(`the suite ran longer than ${timeoutMilliseconds / 1000} s`);
    });
    const gone = server.exited.then(() => {
      throw new Error(`the VS Code server ended while the suite ran`);
    });
    return await Promise.race([exitCode, late, gone]);
  } finally {
    ended.abort();
    await browser.close();
  }
}

/** The functions that VS Code calls in its page during a test run: one for each line it logs, one at the end. */
async function exposeAutomation(
  page: Page,
  log: (line: string) => void,
  onExit: (code: number) => void,
): Promise<void> {
  await page.exposeFunction('codeAutomationLog', (_level: string, values: unknown[]) => {
    const [first, ...styles] = values.map(String);
    if (first?.startsWith('%c') === true) log([first.replaceAll('%c', ''), ...styles.slice(1)].join(' '));
    else log(values.map(String).join(' '));
  });
  await page.exposeFunction('codeAutomationExit', onExit);
}

/** The address of a window that tests an extension in development, which is loaded through the server. */
function suiteAddress(server: Server, suite: ExtensionHostSuite): string {
  const remote = (file: string): string => `vscode-remote://127.0.0.1:${server.port}${pathToFileURL(file).pathname}`;
  const address = new URL(server.url);
  address.searchParams.set(
    'payload',
    JSON.stringify([
      ['extensionDevelopmentPath', remote(suite.extensionFolder)],
      ['extensionTestsPath', remote(suite.suiteFile)],
      ['skipWelcome', 'true'],
    ]),
  );
  return address.href;
}
