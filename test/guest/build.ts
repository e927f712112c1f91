// Builds the playground: a catalogue entry with a small Linux to try checkpoints on, which the tests boot too.
// `npx tsx test/guest/build.ts [--out DIR] [--cache DIR]`

import { createHash } from 'node:crypto';
import { constants, createReadStream, realpathSync } from 'node:fs';
import { copyFile, cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureFolder } from './folder.ts';
import { rootLabel, writeDisk, writeInitrd } from './images.ts';
import { findKernelModules } from './kernel-modules.ts';
import { downloadPackages, extractPackages, type Download } from './packages.ts';
import { stageInitrd, stageRoot } from './staging.ts';

export interface GuestOptions {
  /** Holds downloaded packages and finished guests between calls; made if absent. */
  cacheFolder: string;
  /** The catalogue entry to make, or to replace if it is not what would be built now. */
  outFolder: string;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

const ownFile = fileURLToPath(import.meta.url);
const ownFolder = path.dirname(ownFile);
const stampFile = 'stamp';

/**
 * Makes `outFolder` the catalogue entry of the guest. Returns at once if it is that already, takes it from the
 * cache if an equal one was built before, and else builds it from packages.
 *
 * Several calls may run at the same time, with the same folders.
 */
export async function buildGuest(options: GuestOptions): Promise<void> {
  const cacheFolder = path.resolve(options.cacheFolder);
  const outFolder = path.resolve(options.outFolder);
  const { log, signal } = options;
  const packagesFolder = path.join(cacheFolder, 'packages');
  const download = await downloadPackages({ folder: packagesFolder, log, signal });
  const stamp = await computeStamp(download);

  await ensureStamped(outFolder, stamp, async (newFolder) => {
    const builtFolder = path.join(cacheFolder, `playground-${stamp.slice(0, 16)}`);
    await ensureStamped(builtFolder, stamp, (newBuiltFolder) => {
      log('Building the guest');
      return buildInto(newBuiltFolder, { packagesFolder, download, signal });
    });
    await cp(builtFolder, newFolder, { recursive: true, mode: constants.COPYFILE_FICLONE });
    log(`The guest is now in ${outFolder}`);
  });
}

/** Makes sure of a folder that `fill` filled when the stamp was this one. */
async function ensureStamped(folder: string, stamp: string, fill: (newFolder: string) => Promise<void>): Promise<void> {
  const isGood = async () => (await readFile(path.join(folder, stampFile), 'utf8').catch(() => undefined)) === stamp;
  await ensureFolder(folder, isGood, async (newFolder) => {
    await fill(newFolder);
    await writeFile(path.join(newFolder, stampFile), stamp);
  });
}

/** Of everything that decides what the guest becomes: the files of this folder and the versions of the packages. */
async function computeStamp(download: Download): Promise<string> {
  const hash = createHash('sha256');
  for (const { name, version } of download.packages) {
    hash.update(`${name} ${version}\n`);
  }
  const entries = await readdir(ownFolder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of files.filter((file) => file !== path.join(ownFolder, 'README.md')).sort()) {
    const content = await readFile(file);
    hash.update(`${path.relative(ownFolder, file)} ${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

interface BuildSources {
  packagesFolder: string;
  download: Download;
  signal?: AbortSignal | undefined;
}

async function buildInto(folder: string, { packagesFolder, download, signal }: BuildSources): Promise<void> {
  const workFolder = `${folder}.work`;
  const packageFolder = path.join(workFolder, 'packages');
  const rootFolder = path.join(workFolder, 'root');
  const initrdFolder = path.join(workFolder, 'initrd');
  await mkdir(workFolder);
  await extractPackages(download, packagesFolder, packageFolder, signal);
  const modules = await findKernelModules(packageFolder);
  const sources = { ownFolder, packageFolder, modules, signal };

  await stageRoot(sources, rootFolder);
  await writeDisk(rootFolder, path.join(folder, 'disk.qcow2'), signal);
  await stageInitrd(sources, initrdFolder);
  await writeInitrd(initrdFolder, path.join(folder, 'initrd.img'), signal);
  await copyFile(path.join(packageFolder, `boot/vmlinuz-${modules.release}`), path.join(folder, 'vmlinuz'));
  await writeFile(path.join(folder, 'image.json'), await describeImage(path.join(folder, 'disk.qcow2')));
}

/** The catalogue's description of the guest. */
async function describeImage(diskFile: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(diskFile), hash);
  const image = {
    schema: 1,
    name: 'playground',
    description: 'A small Linux to try checkpoints on: a project on its disk, a counter in its memory.',
    disk: { file: path.basename(diskFile), format: 'qcow2', sha256: hash.digest('hex') },
    boot: { kernel: 'vmlinuz', initrd: 'initrd.img', commandLine: kernelCommandLine },
    memoryMiB: 256,
    cpus: 1,
    login: 'root, no password',
  };
  return `${JSON.stringify(image, undefined, 2)}\n`;
}

const kernelCommandLine = [
  'console=ttyS0',
  `root=LABEL=${rootLabel}`,
  'quiet',
  // Emulated, on a busy host, timer interrupts can come so late that the kernel takes the timer for broken and stops.
  'no_timer_check',
  // Three tenths of a second, when emulated.
  'cryptomgr.notests',
].join(' ');

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { out: { type: 'string' }, cache: { type: 'string' } } });
  const cacheFolder = values.cache ?? path.join(ownFolder, '../../.cache/guest');
  const outFolder = values.out ?? path.join(cacheFolder, 'playground');
  await buildGuest({ cacheFolder, outFolder, log: (line) => process.stderr.write(`${line}\n`) });
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === ownFile) {
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
