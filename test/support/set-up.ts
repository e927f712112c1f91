import { access } from 'node:fs/promises';
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

/** Packages what is in dist/. */
export async function packageExtension(): Promise<void> {
  const vsce = path.join(projectFolder, 'node_modules/@vscode/vsce/vsce');
  await access(vsce);
  await runProgram(process.execPath, [
    vsce,
    'package',
    '--no-dependencies',
    '--allow-missing-repository',
    '--no-rewrite-relative-links',
    '--skip-license',
    '--out',
    vsixFile,
  ]);
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
