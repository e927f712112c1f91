import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buildGuest } from '../guest/build.ts';
import { cacheFolder, guestFolder, projectFolder, runProgram, vsixFile } from './project.ts';
import { canBuildGuest, guestPrograms, qemuPrograms, requirePrograms } from './system-programs.ts';

type LogLine = (line: string) => void;

/** Catalogue entry of the demo guest. */
export const guestImageName = 'playground';

/** What people download again with each version. */
const packageLimitBytes = 1_500_000;

/** Bundles extension and engine into dist/. @param target platform, as `vsce package --target` names it; default: this one */
export async function build(target?: string): Promise<void> {
  const platform = target === undefined ? [] : [`--target=${target}`];
  await runProgram(process.execPath, [path.join(projectFolder, 'esbuild.mjs'), ...platform]);
}

/**
 * Packages what is in dist/, unless that was done for the same content.
 * @param target the only platform that it installs on; default: any, though dist/ has native files of one
 */
export async function packageExtension(file = vsixFile, target?: string): Promise<void> {
  const stamp = `${file}.stamp`;
  const content = await packagedContent();
  const isDone = await Promise.all([readFile(stamp, 'utf8'), access(file)]).then(
    ([found]) => found === content,
    () => false,
  );
  if (isDone) {
    return;
  }
  const vsce = path.join(projectFolder, 'node_modules/@vscode/vsce/vsce');
  const options = ['--no-dependencies', '--allow-missing-repository', '--no-rewrite-relative-links', '--skip-license'];
  const platform = target === undefined ? [] : ['--target', target];
  await mkdir(cacheFolder, { recursive: true });
  await runProgram(process.execPath, [vsce, 'package', ...options, ...platform, '--out', file]);
  const { size } = await stat(file);
  if (size > packageLimitBytes) {
    await rm(file);
    throw new Error(
      `The package is ${size} bytes long, ${size - packageLimitBytes} more than it may be. See what takes them: unzip -v.`,
    );
  }
  await writeFile(stamp, content);
}

/** A hash of everything that goes into the package. */
async function packagedContent(): Promise<string> {
  const hash = createHash('sha256');
  const folders = await Promise.all(
    ['dist', 'media', 'extension/l10n'].map((folder) =>
      readdir(path.join(projectFolder, folder), { recursive: true, withFileTypes: true }),
    ),
  );
  const files = folders
    .flat()
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  const texts = (await readdir(projectFolder)).filter((file) => file.startsWith('package.nls.')).sort();
  const single = ['package.json', ...texts, 'README.md', 'CHANGELOG.md', 'LICENSE', '.vscodeignore'];
  for (const file of [...files.sort(), ...single.map((name) => path.join(projectFolder, name))]) {
    hash.update(`${path.relative(projectFolder, file)}\n`).update(await readFile(file));
  }
  return hash.digest('hex');
}

/** QEMU, and what the demo guest is built with. */
export async function requireQemu(log: LogLine): Promise<void> {
  const programs = (await canBuildGuest()) ? [...qemuPrograms, ...guestPrograms] : qemuPrograms;
  await requirePrograms(programs, log);
}

/**
 * Builds the demo guest where that is possible, that is on Debian 12.
 * @returns its catalogue folder, or undefined elsewhere
 */
export async function demoGuest(log: LogLine): Promise<string | undefined> {
  if (!(await canBuildGuest())) {
    return undefined;
  }
  const outFolder = path.join(guestFolder, guestImageName);
  await buildGuest({ cacheFolder: path.join(cacheFolder, 'packages'), outFolder, log });
  return outFolder;
}
