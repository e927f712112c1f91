import { randomBytes } from 'node:crypto';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { CodeServer } from './install.ts';
import { runProgram } from './program.ts';
import { type Settings, writeUserSettings } from './user-settings.ts';

/** The folders that a server keeps its state in. */
export interface UserData {
  readonly userDataFolder: string;
  readonly extensionsFolder: string;
  readonly logFolder: string;
  /** The file with the secret that a page must show. */
  readonly tokenFile: string;
  readonly token: string;
  /** The server's options that name the folders. */
  readonly serverArguments: readonly string[];
}

/** Makes a new or a used folder ready for a server: settings and token are written, what is there is kept. */
export async function prepareUserData(
  userDataFolder: string,
  settings: Settings,
  log: (line: string) => void,
): Promise<UserData> {
  const extensionsFolder = path.join(userDataFolder, 'extensions');
  const logFolder = path.join(userDataFolder, 'logs');
  await mkdir(logFolder, { recursive: true, mode: 0o700 });
  await writeUserSettings(userDataFolder, settings, log);
  const tokenFile = path.join(userDataFolder, 'connection-token');
  const serverArguments = [
    ...['--user-data-dir', userDataFolder],
    ...['--extensions-dir', extensionsFolder],
    ...['--server-data-dir', path.join(userDataFolder, 'server')],
  ];
  return { userDataFolder, extensionsFolder, logFolder, tokenFile, token: await keepToken(tokenFile), serverArguments };
}

/** The token of the last start, so that a page that is still open connects again; otherwise a new one. */
async function keepToken(file: string): Promise<string> {
  const present = await readFile(file, 'utf8').catch(() => '');
  if (/^[0-9a-f]{32}$/.test(present)) return present;
  const token = randomBytes(16).toString('hex');
  await writeFile(file, token, { mode: 0o600 });
  return token;
}

/** XDG folders for extensions and what they start: private ones, except for sockets, whose folder needs a short path. */
export function xdgEnvironment(
  userDataFolder: string,
  runtimeFolder: string | undefined,
): Record<string, string | undefined> {
  const folder = (name: string): string => path.join(userDataFolder, 'xdg', name);
  return {
    XDG_CACHE_HOME: folder('cache'),
    XDG_CONFIG_HOME: folder('config'),
    XDG_DATA_HOME: folder('data'),
    XDG_STATE_HOME: folder('state'),
    XDG_RUNTIME_DIR: runtimeFolder,
  };
}

/** Installs a packaged extension (`.vsix`) in place of any version of it that is there. */
export async function installExtension(codeServer: CodeServer, userData: UserData, file: string): Promise<void> {
  await runProgram({
    executable: codeServer.node,
    arguments: [
      'out/server-main.js',
      '--install-extension',
      path.resolve(file),
      '--force',
      ...userData.serverArguments,
    ],
    folder: codeServer.serverRoot,
    environment: withoutGallery,
    timeoutMilliseconds: 60_000,
  });
}

/** Puts an extension beside those that are installed. VS Code finds it when that is done before the first of them is. */
export async function copyExtension({ extensionsFolder }: UserData, folder: string): Promise<void> {
  const manifest = z
    .object({ publisher: z.string(), name: z.string(), version: z.string() })
    .parse(JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')));
  const { publisher, name, version } = manifest;
  await cp(folder, path.join(extensionsFolder, `${publisher}.${name}-${version}`), { recursive: true });
}

/** Keeps VS Code from asking any extension gallery. */
export const withoutGallery: Readonly<Record<string, string>> = { EXTENSIONS_GALLERY: '{"serviceUrl":""}' };
