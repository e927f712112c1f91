import { createHash } from 'node:crypto';
import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buildGuest } from '../guest/build.ts';
import { cacheFolder, guestFolder, projectFolder, runProgram, vsixFile } from './project.ts';
import { canBuildGuest, guestPrograms, qemuPrograms, requirePrograms } from './system-programs.ts';

type LogLine = (line: string) => void;

/** Catalogue entry of the demo guest. */
export const guestImageName = 'playground';

/** Bundles extension and engine into dist/. */
export async function build(): Promise<void> {
  await runProgram(process.execPath, [path.join(projectFolder, 'esbuild.mjs')]);
}

/** Packages what is in dist/, unless that was done for the same content. */
export async function packageExtension(): Promise<void> {
  const stamp = `${vsixFile}.stamp`;
  const content = await packagedContent();
  const isDone = await Promise.all([readFile(stamp, 'utf8'), access(vsixFile)]).then(
    ([found]) => found === content,
    () => false,
  );
  if (isDone) {
    return;
  }
  const vsce = path.join(projectFolder, 'node_modules/@vscode/vsce/vsce');
  const options = ['--no-dependencies', '--allow-missing-repository', '--no-rewrite-relative-links', '--skip-license'];
  await runProgram(process.execPath, [vsce, 'package', ...options, '--out', vsixFile]);
  await writeFile(stamp, content);
}

/** A hash of everything that goes into the package. */
async function packagedContent(): Promise<string> {
  const hash = createHash('sha256');
  const folders = await Promise.all(
    ['dist', 'media'].map((folder) =>
      readdir(path.join(projectFolder, folder), { recursive: true, withFileTypes: true }),
    ),
  );
  const files = folders
    .flat()
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  const single = ['package.json', 'package.nls.json', 'README.md', 'CHANGELOG.md', 'LICENSE', '.vscodeignore'];
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
