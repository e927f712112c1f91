// Puts together the two trees of the guest, its root file system and its initramfs, as plain folders.

import { chmod, copyFile, cp, lstat, lutimes, mkdir, readFile, readdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from './command.ts';
import { installModules, type KernelModules } from './kernel-modules.ts';
import { sharedLibraries } from './packages.ts';
import { generateProject } from './project.ts';

/** Every time stamp in the guest, in seconds since 1970 (2025-01-01), so that equal inputs give an equal disk. */
export const buildTimeSeconds = 1_735_689_600;

/** What the initramfs needs to reach the disk. */
const initrdModules = ['virtio_pci', 'virtio_blk'];
/** What `etc/init.d` loads. */
const rootModules = ['efivarfs', 'evdev', 'button', 'virtio_console', 'virtio_rng', 'virtio_net', 'pvpanic_mmio'];

const emptyFolders = ['dev', 'home', 'mnt', 'proc', 'root', 'run', 'sys', 'tmp', 'usr/local/bin', 'var/lib'];

/** Path of a link, and where it leads. */
type Link = readonly [string, string];

const mergedFolders: readonly Link[] = [
  ['bin', 'usr/bin'],
  ['sbin', 'usr/sbin'],
  ['lib', 'usr/lib'],
];

/** What a running guest writes by itself leads into memory, so that only people change its disk. */
const rootLinks: readonly Link[] = [
  ['lib64', 'usr/lib64'],
  ['usr/lib64/ld-linux-x86-64.so.2', '../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'],
  ['etc/mtab', '../proc/self/mounts'],
  ['etc/resolv.conf', '../run/resolv.conf'],
  ['var/log', '../run/log'],
  ['var/run', '../run'],
  ['var/tmp', '../tmp'],
];

export interface StagingSources {
  /** The folder that holds `root/` and `initrd/`. */
  ownFolder: string;
  /** All packages, unpacked. */
  packageFolder: string;
  modules: KernelModules;
  signal?: AbortSignal | undefined;
}

/** Makes `rootFolder` what the guest's disk shall hold. */
export async function stageRoot(sources: StagingSources, rootFolder: string): Promise<void> {
  const { ownFolder, packageFolder, modules, signal } = sources;
  await cp(path.join(ownFolder, 'root'), rootFolder, { recursive: true });
  for (const folder of emptyFolders) {
    await mkdir(path.join(rootFolder, folder), { recursive: true });
  }

  const libraryFolder = 'usr/lib/x86_64-linux-gnu';
  await mkdir(path.join(rootFolder, libraryFolder), { recursive: true });
  await mkdir(path.join(rootFolder, 'usr/lib64'), { recursive: true });
  for (const library of ['ld-linux-x86-64.so.2', ...sharedLibraries]) {
    await copyFile(await findLibrary(packageFolder, library), path.join(rootFolder, libraryFolder, library));
  }
  await copyFile(path.join(packageFolder, 'usr/sbin/qemu-ga'), path.join(rootFolder, 'usr/sbin/qemu-ga'));
  await installBusybox(packageFolder, rootFolder, signal);
  await installModules(modules, rootModules, rootFolder);
  await generateProject(path.join(rootFolder, 'srv/project'));

  await linkAll([...mergedFolders, ...rootLinks], rootFolder);
  await normalizeTree(rootFolder);
}

/** Makes `rootFolder` what the initramfs shall hold. */
export async function stageInitrd(sources: StagingSources, rootFolder: string): Promise<void> {
  const { ownFolder, packageFolder, modules, signal } = sources;
  await cp(path.join(ownFolder, 'initrd'), rootFolder, { recursive: true });
  for (const folder of ['dev', 'newroot', 'proc', 'sys']) {
    await mkdir(path.join(rootFolder, folder), { recursive: true });
  }
  await installBusybox(packageFolder, rootFolder, signal);
  await installModules(modules, initrdModules, rootFolder);
  await linkAll(mergedFolders, rootFolder);
  await normalizeTree(rootFolder);
}

async function linkAll(links: readonly Link[], rootFolder: string): Promise<void> {
  for (const [link, target] of links) {
    await symlink(target, path.join(rootFolder, link));
  }
}

/** Packages disagree on whether libraries lie in /lib or /usr/lib. */
async function findLibrary(packageFolder: string, library: string): Promise<string> {
  for (const folder of ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu']) {
    const file = path.join(packageFolder, folder, library);
    if (await exists(file)) {
      return file;
    }
  }
  throw new Error(`No package brings ${library}.`);
}

async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}

async function installBusybox(packageFolder: string, rootFolder: string, signal?: AbortSignal): Promise<void> {
  const busybox = path.join(packageFolder, 'bin/busybox');
  await mkdir(path.join(rootFolder, 'usr/bin'), { recursive: true });
  await mkdir(path.join(rootFolder, 'usr/sbin'), { recursive: true });
  await copyFile(busybox, path.join(rootFolder, 'usr/bin/busybox'));
  const { stdout } = await runCommand(busybox, ['--list-full'], { signal });
  for (const applet of stdout.trim().split('\n')) {
    const folder = path.dirname(applet).replace(/^usr\//, '');
    // `linuxrc`, which is for initial RAM disks, would lie in the root folder.
    if (folder === 'bin' || folder === 'sbin') {
      const link = path.join(rootFolder, 'usr', folder, path.basename(applet));
      if (!(await exists(link))) {
        await symlink(folder === 'bin' ? 'busybox' : '../bin/busybox', link);
      }
    }
  }
}

/** Modes and times must not depend on who checked out or builds the guest, nor when. */
async function normalizeTree(rootFolder: string): Promise<void> {
  const entries = await readdir(rootFolder, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of [...paths, rootFolder]) {
    const status = await lstat(file);
    if (status.isDirectory()) {
      await chmod(file, file === path.join(rootFolder, 'tmp') ? 0o1777 : 0o755);
    } else if (status.isFile()) {
      await chmod(file, (await isProgram(file)) ? 0o755 : 0o644);
    }
  }
  // Afterwards, and the root last, because a change inside a folder is a change of the folder.
  for (const file of [...paths, rootFolder]) {
    await lutimes(file, buildTimeSeconds, buildTimeSeconds);
  }
}

async function isProgram(file: string): Promise<boolean> {
  const start = (await readFile(file)).subarray(0, 4).toString('latin1');
  return start.startsWith('#!') || (start === '\x7fELF' && !file.endsWith('.ko'));
}
