import { existsSync, readFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { ensureNative, logModule, terminalModule } from './native-modules.ts';
import { runNpm } from './npm.ts';
import { runProgram } from './program.ts';
import { pruneInstallation } from './prune.ts';
import { type CodeServerVersion, nodePackage, type Release, releases } from './releases.ts';

/** An installed VS Code that runs as a server and shows its user interface in a browser. */
export interface CodeServer {
  readonly version: CodeServerVersion;
  readonly vscodeVersion: string;
  /** The Node binary that belongs to it. */
  readonly node: string;
  /** The installation's folder. */
  readonly root: string;
  /** The folder with VS Code's `out/server-main.js`. */
  readonly serverRoot: string;
  /** Whether shells can run in it; otherwise terminals work only for pseudoterminals of extensions. */
  readonly hasTerminals: boolean;
  /** Whether it writes log files, which log output channels are read back from. */
  readonly hasLogFiles: boolean;
}

/** To be raised when the steps below change: older installations are then replaced. */
const recipe = 1;

const stampName = 'installation.json';
const stampSchema = z.object({
  recipe: z.literal(recipe),
  codeServer: z.string(),
  vscode: z.string(),
  node: z.string(),
  hasTerminals: z.boolean(),
  hasLogFiles: z.boolean(),
});
type Stamp = z.infer<typeof stampSchema>;

const running = new Map<string, Promise<CodeServer>>();

/**
 * Installs VS Code from npm packages into `cacheFolder`, or returns at once when it is there. Takes about a minute and
 * 500 MB. An installation becomes visible whole or not at all, so it can be interrupted, and run twice at once.
 * @param log receives a line for each step
 * @throws with npm's last lines and what to do
 */
export async function installCodeServer(
  version: CodeServerVersion,
  cacheFolder: string,
  log: (line: string) => void,
): Promise<CodeServer> {
  const platform = `${process.platform}-${process.arch}`;
  const root = path.resolve(cacheFolder, `code-server-${version}-${platform}`);
  const present = readInstallation(version, root);
  if (present !== undefined) return present;
  const underWay = running.get(root) ?? install(version, root, nodePackage(platform), log);
  running.set(root, underWay);
  try {
    return await underWay;
  } finally {
    running.delete(root);
  }
}

function readInstallation(version: CodeServerVersion, root: string): CodeServer | undefined {
  const stampFile = path.join(root, stampName);
  const node = path.join(root, 'node/bin/node');
  const serverRoot = path.join(root, 'code-server/lib/vscode');
  if (!existsSync(stampFile) || !existsSync(node) || !existsSync(path.join(serverRoot, 'out/server-main.js'))) return;
  const stamp = parseStamp(readFileSync(stampFile, 'utf8'));
  if (stamp === undefined || stamp.codeServer !== version) return;
  const { vscode: vscodeVersion, hasTerminals, hasLogFiles } = stamp;
  return { version, vscodeVersion, node, root, serverRoot, hasTerminals, hasLogFiles };
}

function parseStamp(text: string): Stamp | undefined {
  try {
    return stampSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function install(
  version: CodeServerVersion,
  root: string,
  nodePackageName: string,
  log: (line: string) => void,
): Promise<CodeServer> {
  const release = releases[version];
  const report = (line: string): void => {
    log(`VS Code ${release.vscodeVersion}: ${line}`);
  };
  const cacheFolder = path.dirname(root);
  await mkdir(cacheFolder, { recursive: true });
  await removeAbandoned(cacheFolder);
  const start = performance.now();
  const temporary = await mkdtemp(path.join(cacheFolder, `.installing-${hostname()}-${process.pid}-`));
  try {
    const stamp = await assemble(temporary, version, release, nodePackageName, report);
    await writeFile(path.join(temporary, stampName), `${JSON.stringify(stamp, undefined, 2)}\n`);
    await publish(temporary, version, root);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `VS Code ${release.vscodeVersion} could not be installed into ${cacheFolder}.\n${reason}\n` +
        'Nothing is left half installed. Check that `npm ping` answers and that 1.5 GB are free there, then try again.',
      { cause: error },
    );
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  const installed = readInstallation(version, root);
  if (installed === undefined) throw new Error(`${root} is not a whole installation. Delete it and try again.`);
  report(`installed in ${Math.round((performance.now() - start) / 1000)} s`);
  return installed;
}

async function assemble(
  folder: string,
  version: CodeServerVersion,
  release: Release,
  nodePackageName: string,
  report: (line: string) => void,
): Promise<Stamp> {
  report(`downloading code-server ${version} and Node ${release.nodeMajor}`);
  const nodeRoot = path.join(folder, 'node');
  const serverRoot = path.join(folder, 'code-server/lib/vscode');
  const unpacked = await Promise.allSettled([
    unpack(`code-server@${version}`, path.join(folder, 'code-server')),
    unpack(`${nodePackageName}@${release.nodeMajor}`, nodeRoot),
  ]); // both have ended before the folder may go
  for (const result of unpacked) if (result.status === 'rejected') throw result.reason;
  const nodeFolder = path.join(nodeRoot, 'bin');
  const node = await run(path.join(nodeFolder, 'node'), ['--version'], folder);

  report('installing its dependencies');
  await runNpm(serverRoot, ['install', '--omit=dev'], nodeFolder);
  await runNpm(path.join(serverRoot, 'extensions'), ['install', '--omit=dev'], nodeFolder);
  await addScripts(serverRoot);
  if (release.ripgrepVersion !== undefined) await addRipgrep(serverRoot, release.ripgrepVersion);
  const hasTerminals = await ensureNative(terminalModule, serverRoot, nodeRoot, report);
  const hasLogFiles = await ensureNative(logModule, serverRoot, nodeRoot, report);
  await pruneInstallation(folder);

  const printed = await run(path.join(nodeFolder, 'node'), ['out/server-main.js', '--version'], serverRoot);
  const vscode = printed.split('\n').find((line) => line.includes(release.vscodeVersion));
  if (vscode === undefined) throw new Error(`expected VS Code ${release.vscodeVersion}, found:\n${printed}`);
  return { recipe, codeServer: version, vscode: release.vscodeVersion, node, hasTerminals, hasLogFiles };
}

async function run(executable: string, argumentList: string[], folder: string): Promise<string> {
  const output = await runProgram({ executable, arguments: argumentList, folder, timeoutMilliseconds: 60_000 });
  return output.trim();
}

/** Fetches one package, without its dependencies, and unpacks it as `folder`. */
async function unpack(specification: string, folder: string): Promise<void> {
  const download = `${folder}.download`;
  await mkdir(download);
  await mkdir(folder);
  await runNpm(download, ['pack', specification]);
  const [archive] = await readdir(download);
  if (archive === undefined) throw new Error(`npm pack ${specification} wrote no file`);
  await run('tar', ['-xzf', archive, '-C', folder, '--strip-components=1'], download);
  await rm(download, { recursive: true });
}

/** The platform's scripts under the names that VS Code looks for, as the package's own install script makes them. */
async function addScripts(serverRoot: string): Promise<void> {
  const suffix = process.platform === 'darwin' ? 'darwin' : 'linux';
  for (const [script, name] of [
    [`bin/remote-cli/code-${suffix}.sh`, 'bin/remote-cli/code-server'],
    [`bin/helpers/browser-${suffix}.sh`, 'bin/helpers/browser.sh'],
  ] as const) {
    await copyFile(path.join(serverRoot, script), path.join(serverRoot, name));
    await chmod(path.join(serverRoot, name), 0o755);
  }
}

async function addRipgrep(serverRoot: string, version: string): Promise<void> {
  const target = path.join(serverRoot, 'node_modules/@vscode/ripgrep/bin');
  const unpacked = `${target}.package`;
  await unpack(`@vscode/ripgrep-${process.platform}-${process.arch}@${version}`, unpacked);
  await mkdir(target, { recursive: true });
  await rename(path.join(unpacked, 'bin/rg'), path.join(target, 'rg'));
  await rm(unpacked, { recursive: true });
}

/** Makes the finished installation visible, unless another process was faster. */
async function publish(temporary: string, version: CodeServerVersion, root: string): Promise<void> {
  if (existsSync(root) && readInstallation(version, root) === undefined) {
    const outdated = `${temporary}-outdated`;
    await rename(root, outdated);
    await rm(outdated, { recursive: true });
  }
  try {
    await rename(temporary, root);
  } catch (error) {
    if (readInstallation(version, root) === undefined) throw error;
  }
}

const dayMilliseconds = 24 * 60 * 60_000;

/** Removes what interrupted installations left: those of dead processes on this computer, and any that are a day old. */
async function removeAbandoned(cacheFolder: string): Promise<void> {
  for (const name of await readdir(cacheFolder)) {
    if (!name.startsWith('.installing-')) continue;
    const folder = path.join(cacheFolder, name);
    const ours = `.installing-${hostname()}-`;
    const pid = name.startsWith(ours) ? Number.parseInt(name.slice(ours.length), 10) : undefined;
    const age = Date.now() - ((await stat(folder).catch(() => undefined))?.mtimeMs ?? Date.now());
    if ((pid !== undefined && !isAlive(pid)) || age > dayMilliseconds) {
      await rm(folder, { recursive: true, force: true }).catch(() => undefined); // another process may do the same now
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
