// Turns the staged folders into the files that a machine boots from, needing neither root nor a mount.

import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from './command.ts';
import { buildTimeSeconds } from './staging.ts';

/** The label by which the initramfs finds the root file system. */
export const rootLabel = 'root';

const diskSizeMiB = 512;
const fileSystemId = '6f3c2d1e-5b4a-4c39-8d27-706c61796772';
const reproducible = {
  SOURCE_DATE_EPOCH: String(buildTimeSeconds),
  // Before e2fsprogs 1.47.1, which knows SOURCE_DATE_EPOCH.
  E2FSPROGS_FAKE_TIME: String(buildTimeSeconds),
};

/** Packs `rootFolder` as an initramfs. It is not compressed: unpacking would take longer than reading. */
export async function writeInitrd(rootFolder: string, file: string, signal?: AbortSignal): Promise<void> {
  const paths = await listTree(rootFolder);
  const format = ['--format=newc', '--reproducible', '--owner=+0:+0'];
  await runCommand('cpio', ['--create', '--null', ...format, '--file', file], {
    cwd: rootFolder,
    input: paths.map((entry) => `${entry}\0`).join(''),
    signal,
  });
}

/** Makes a qcow2 disk that is one ext4 file system, without partitions, and holds what `rootFolder` holds. */
export async function writeDisk(rootFolder: string, file: string, signal?: AbortSignal): Promise<void> {
  const rawFile = `${file}.raw`;
  try {
    // Written out whole now (as holes, here), or the running guest would do it later and fill its layers.
    const notLater = 'lazy_itable_init=0,lazy_journal_init=0';
    const options = ['-t', 'ext4', '-L', rootLabel, '-U', fileSystemId, '-m', '0', '-N', '8192', '-e', 'remount-ro'];
    const extended = `${notLater},hash_seed=${fileSystemId},root_owner=0:0`;
    await runCommand('mke2fs', [...options, '-E', extended, '-d', rootFolder, rawFile, `${diskSizeMiB}M`], {
      env: reproducible,
      signal,
    });
    await setOwnerAndTimes(rawFile, await listTree(rootFolder), signal);
    await runCommand('e2fsck', ['-fn', rawFile], { env: reproducible, signal });
    await runCommand('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', '-o', 'compat=1.1', rawFile, file], {
      signal,
    });
  } finally {
    await rm(rawFile, { force: true });
  }
}

/** mke2fs takes owner and times from the staged files, which belong to whoever builds, and were made just now. */
async function setOwnerAndTimes(rawFile: string, paths: readonly string[], signal?: AbortSignal): Promise<void> {
  const time = `@${buildTimeSeconds}`;
  const fields = { uid: 0, gid: 0, atime: time, ctime: time, mtime: time, crtime: time };
  const requests = ['', 'lost+found', ...paths].flatMap((entry) =>
    Object.entries(fields).map(([field, value]) => `set_inode_field "/${entry}" ${field} ${value}\n`),
  );
  const { stderr } = await runCommand('debugfs', ['-w', '-f', '-', rawFile], {
    env: reproducible,
    input: requests.join(''),
    signal,
  });
  // It exits with 0 whatever happens. Its first line is a greeting.
  const [, complaint] = stderr.trim().split('\n');
  if (complaint !== undefined) {
    throw new Error(`debugfs could not set owners and times: ${complaint}`);
  }
}

/** All paths below a folder, relative to it, each folder before what it holds. */
async function listTree(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name))).sort();
}
