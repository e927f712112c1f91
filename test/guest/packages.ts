// The distribution packages that the guest is made of, and how they are brought here: `apt-get download` as
// anybody, `dpkg-deb -x` into a folder. Nothing is installed.

import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { runCommand } from './command.ts';
import { ensureFolder } from './folder.ts';

/** Depends on the newest concrete kernel of the distribution. */
const kernelMetapackage = 'linux-image-cloud-amd64';

/** What the guest needs besides a kernel: its programs, and the libraries that the guest agent is linked to. */
const packageNames = [
  'busybox-static',
  'qemu-guest-agent',
  'libc6',
  'libglib2.0-0',
  'libnuma1',
  'libpcre2-8-0',
  'libudev1',
  'liburing2',
];

const wanted = [kernelMetapackage, ...packageNames];

/** The libraries to take from those packages, by the names under which the agent loads them. */
export const sharedLibraries = [
  'libc.so.6',
  'libglib-2.0.so.0',
  'libgmodule-2.0.so.0',
  'libm.so.6',
  'libnuma.so.1',
  'libpcre2-8.so.0',
  'libudev.so.1',
  'liburing.so.2',
];

const downloadSchema = z.object({
  wanted: z.array(z.string()),
  packages: z.array(z.object({ name: z.string(), version: z.string(), file: z.string() })),
});

/** Packages in a folder; `file` is relative to it. */
export type Download = z.infer<typeof downloadSchema>;

export interface DownloadOptions {
  /** Kept between builds: while it holds what is wanted, apt is not asked. */
  folder: string;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/** Brings the packages into `folder`, if they are not there yet. */
export async function downloadPackages({ folder, log, signal }: DownloadOptions): Promise<Download> {
  const isGood = async () => (await readDownload(folder)) !== undefined;
  await ensureFolder(folder, isGood, async (newFolder) => {
    try {
      await downloadInto(newFolder, log, signal);
    } catch (error) {
      signal?.throwIfAborted();
      log(`Refreshing the package lists, because: ${error instanceof Error ? error.message : String(error)}`);
      await runCommand('apt-get', ['-o', sandboxUser, 'update'], { signal });
      await downloadInto(newFolder, log, signal);
    }
    await writeFile(path.join(newFolder, 'packages.json'), JSON.stringify(await describeDownload(newFolder, signal)));
  });
  const download = await readDownload(folder);
  if (download === undefined) {
    throw new Error(`Something else changes ${folder}.`);
  }
  return download;
}

/** Unpacks every package of a download into one folder. */
export async function extractPackages(
  download: Download,
  downloadFolder: string,
  targetFolder: string,
  signal?: AbortSignal,
): Promise<void> {
  // One after the other: two packages may bring the same folder.
  for (const { file } of download.packages) {
    await runCommand('dpkg-deb', ['-x', path.join(downloadFolder, file), targetFolder], { signal });
  }
}

/** As root, apt would step down to a user who cannot write into a private folder, and warn that it does not. */
const sandboxUser = 'APT::Sandbox::User=root';

async function downloadInto(folder: string, log: (line: string) => void, signal?: AbortSignal): Promise<void> {
  const names = [await findKernelPackage(signal), ...packageNames];
  log(`Downloading ${names.join(', ')}`);
  await runCommand('apt-get', ['-o', sandboxUser, '-q', 'download', ...names], { cwd: folder, signal });
}

async function findKernelPackage(signal?: AbortSignal): Promise<string> {
  const { stdout } = await runCommand('apt-cache', ['depends', kernelMetapackage], { signal }).catch(
    (cause: unknown) => {
      signal?.throwIfAborted();
      throw new Error(`apt knows no ${kernelMetapackage}. The guest is built from the packages of Debian 12.`, {
        cause,
      });
    },
  );
  const name = /Depends: (linux-image-[0-9]\S*-cloud-amd64)$/m.exec(stdout)?.[1];
  if (name === undefined) {
    throw new Error(`${kernelMetapackage} names no kernel package that it depends on.`);
  }
  return name;
}

async function describeDownload(folder: string, signal?: AbortSignal): Promise<Download> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.deb')).sort();
  const packages: Download['packages'] = [];
  for (const file of files) {
    const { stdout } = await runCommand('dpkg-deb', ['--show', path.join(folder, file)], { signal });
    const [name = '', version = ''] = stdout.trim().split('\t');
    packages.push({ name, version, file });
  }
  return { wanted, packages };
}

/** Returns undefined if the folder is absent, damaged, or holds other packages than are wanted now. */
async function readDownload(folder: string): Promise<Download | undefined> {
  try {
    const download = downloadSchema.parse(JSON.parse(await readFile(path.join(folder, 'packages.json'), 'utf8')));
    const files = new Set(await readdir(folder));
    const isWhole = download.packages.every(({ file }) => files.has(file));
    return isWhole && download.wanted.join() === wanted.join() ? download : undefined;
  } catch {
    return undefined;
  }
}
