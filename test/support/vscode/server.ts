import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { cleanEnvironment } from './environment.ts';
import type { CodeServer } from './install.ts';
import { writeLanguagePack } from './language-pack.ts';
import { type ProcessGroup, spawnGroup } from './process-group.ts';
import { makeTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts';
import { until } from './until.ts';
import { copyExtension, installExtension, prepareUserData, withoutGallery, xdgEnvironment } from './user-data.ts';
import type { Settings } from './user-settings.ts';

/** What to serve, and how. */
export interface ServerOptions {
  readonly codeServer: CodeServer;
  /** The folder that the window opens. */
  readonly workspaceFolder: string;
  /** Packaged extensions (`.vsix`) to install. */
  readonly extensions?: readonly string[];
  /** Folders of extensions that are copied to the others as they are. */
  readonly unpackedExtensions?: readonly string[];
  /** Settings, extensions and state, kept for the next start; by default a temporary folder. */
  readonly userDataFolder?: string;
  /** User settings beside, or instead of, the quiet defaults. */
  readonly settings?: Settings;
  /** Environment of the server and so of the extensions; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** By default one that is free. */
  readonly port?: number;
  /**
   * Whether a folder is restricted until it is trusted; by default every folder is trusted. VS Code asks at the start
   * only with the setting `security.workspace.trust.startupPrompt: always`.
   */
  readonly workspaceTrust?: boolean;
  /** Such as `de`; English otherwise. VS Code's own texts stay English. */
  readonly language?: string;
  /** Lets a page run extension tests. It also suppresses notification toasts. */
  readonly smokeTestDriver?: boolean;
  readonly log: (line: string) => void;
}

/** A running VS Code server, which answers this computer only, and only with its token. */
export interface Server {
  /** The address of a window on the workspace folder; it contains the token. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly workspaceFolder: string;
  readonly extensionsFolder: string;
  readonly userDataFolder: string;
  /** `server.log`, `browser.log`, and VS Code's own logs in a folder for each start. */
  readonly logFolder: string;
  /** Resolves when the server ends, for whatever reason. */
  readonly exited: Promise<void>;
  /** Ends the server with everything that it started, and deletes the temporary folders. */
  dispose(): Promise<void>;
}

/**
 * Starts VS Code as a server on 127.0.0.1 with `extensions` installed. It ends with our process at the latest.
 * @throws with the server's last lines when it does not answer within a minute
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const temporary: TemporaryFolder[] = [];
  const temporaryFolder = async (): Promise<string> => {
    const folder = await makeTemporaryFolder();
    temporary.push(folder);
    return folder.path;
  };
  // A machine that outlives the window needs its sockets, so beside lasting data they go where they would without us.
  const runtimeFolder = async (): Promise<string | undefined> =>
    options.userDataFolder === undefined ? temporaryFolder() : process.env['XDG_RUNTIME_DIR'];
  let group: ProcessGroup | undefined;
  const dispose = async (): Promise<void> => {
    await group?.end();
    for (const folder of temporary.splice(0)) await folder.remove();
  };
  try {
    const userDataFolder = path.resolve(options.userDataFolder ?? (await temporaryFolder()));
    const settings = { 'security.workspace.trust.enabled': options.workspaceTrust ?? false, ...options.settings };
    const userData = await prepareUserData(userDataFolder, settings, options.log);
    if (options.language !== undefined) await writeLanguagePack(userDataFolder, options.language);
    for (const folder of options.unpackedExtensions ?? []) await copyExtension(userData, folder);
    for (const extension of options.extensions ?? []) {
      options.log(`installing ${path.basename(extension)}`);
      await installExtension(options.codeServer, userData, extension);
    }
    group = await spawnGroup({
      executable: options.codeServer.node,
      arguments: [
        ...['--import', endWithUs, path.join(options.codeServer.serverRoot, 'out/server-main.js')],
        ...['--host', '127.0.0.1', '--port', String(options.port ?? 0)],
        ...['--connection-token-file', userData.tokenFile],
        ...userData.serverArguments,
        ...switches(options),
      ],
      folder: userDataFolder,
      environment: cleanEnvironment({
        ...withoutGallery,
        ...xdgEnvironment(userDataFolder, await runtimeFolder()),
        ...options.env,
      }),
      input: 'pipe',
    });
    const port = await listeningPort(group, path.join(userData.logFolder, 'server.log'));
    const workspaceFolder = path.resolve(options.workspaceFolder);
    const query = new URLSearchParams({ tkn: userData.token, folder: workspaceFolder });
    return {
      url: `http://127.0.0.1:${port}/?${query.toString()}`,
      port,
      pid: group.pid,
      workspaceFolder,
      extensionsFolder: userData.extensionsFolder,
      userDataFolder,
      logFolder: userData.logFolder,
      exited: group.exited.then(() => undefined),
      dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function switches({ workspaceTrust, language, smokeTestDriver }: ServerOptions): string[] {
  return [
    '--accept-server-license-terms',
    '--disable-telemetry',
    '--disable-experiments',
    '--disable-update-check',
    '--disable-getting-started-override',
    '--force-disable-user-env',
    ...(workspaceTrust === true ? [] : ['--disable-workspace-trust']),
    ...(language === undefined ? [] : ['--locale', language]),
    ...(smokeTestDriver === true ? ['--enable-smoke-test-driver'] : []),
  ];
}

/**
 * A module that Node runs before VS Code: the server ends its whole group when the pipe from us closes, which happens
 * even when we are killed. The option is taken back, or the processes that the server forks would inherit it.
 */
const endWithUs = `data:text/javascript,${encodeURIComponent(`
  process.execArgv.splice(0);
  process.stdin.resume().once('end', () => process.kill(-process.pid, 'SIGKILL'));
`)}`;

const startTimeoutMilliseconds = 60_000;

/** Waits until the server answers, and learns which port it has chosen. */
async function listeningPort(group: ProcessGroup, logFile: string): Promise<number> {
  const logStream = createWriteStream(logFile);
  let output = '';
  let hasFailed = false;
  for (const stream of [group.child.stdout, group.child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < 100_000) output += text;
      logStream.write(text);
    });
  }
  group.child.once('close', () => logStream.end());
  void group.exited.then(() => {
    hasFailed = true;
  });
  const lastLines = (): string => output.trim().slice(-2000);
  const port = await until(
    () => `the VS Code server to answer. It said:\n${lastLines()}`,
    async () => {
      hasFailed ||= output.includes('Error occurred in server'); // it then stays, without listening
      if (output.includes('EADDRINUSE')) throw new Error('the port for the VS Code server is in use: choose another');
      if (hasFailed) throw new Error(`the VS Code server did not start. It said:\n${lastLines()}`);
      const printed = /Extension host agent listening on (\d+)/.exec(output)?.[1];
      return printed !== undefined && (await answers(printed)) && printed;
    },
    { timeoutMilliseconds: startTimeoutMilliseconds },
  );
  return Number(port);
}

async function answers(port: string): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/version`, { signal: AbortSignal.timeout(5000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
