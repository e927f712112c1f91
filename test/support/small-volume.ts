import { execFile } from 'node:child_process';
import { closeSync, fsyncSync, openSync, realpathSync, statfsSync, writeSync } from 'node:fs';
import { open, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { systemCode } from '../../engine/model/checkpoint-error.ts';
import { until } from './vscode/until.ts';

const run = promisify(execFile);

/** On ext2 no space can be reserved for a file (fallocate(2)). */
export type VolumeKind = 'tmpfs' | 'ext4' | 'ext2';

/**
 * A really small volume, mounted for one test.
 * @param endUse ends what uses it, before it is unmounted: what a test asks for at its end comes in the order of asking
 * @returns undefined where mounting is not allowed: the test is skipped then, with the reason
 */
export async function smallVolume(
  context: TestContext,
  sizeBytes: number,
  kind: VolumeKind = 'tmpfs',
  endUse?: () => Promise<unknown>,
): Promise<string | undefined> {
  const folder = await mkdtemp(path.join(realpathSync(tmpdir()), 'ckpt-volume-'));
  const image = `${folder}.image`;
  const remove = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true });
    await rm(image, { force: true });
  };
  try {
    if (kind === 'tmpfs') {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes},mode=0700`, 'tmpfs', folder]);
    } else {
      const file = await open(image, 'w');
      await file.truncate(sizeBytes);
      await file.close();
      // Without the blocks that only root gets, so that full is full.
      await run(`mkfs.${kind}`, ['-q', '-m', '0', image]);
      await run('mount', ['-o', 'loop', image, folder]);
    }
  } catch (error) {
    await remove();
    context.skip(`no ${kind} can be mounted here: ${error instanceof Error ? error.message.trim() : String(error)}`);
    return undefined;
  }
  context.after(async () => {
    await away.get(folder)?.();
    await endUse?.();
    await run('umount', ['--lazy', folder]);
    await remove();
  });
  return folder;
}

/** Brings back the volumes that were taken away. */
const away = new Map<string, () => Promise<void>>();

/**
 * Takes away a volume on ext4 or ext2, as if its disk was pulled: nobody finds it any more. Who has files of it open goes on with them.
 * @returns brings it back, as the end of the test does
 */
export async function takeAway(folder: string): Promise<() => Promise<void>> {
  const image = `${folder}.image`;
  await run('umount', ['--lazy', folder]);
  const bringBack = async (): Promise<void> => {
    away.delete(folder);
    await until(`${folder} to be mounted again`, () => mountAgain(image, folder), { timeoutMilliseconds: 20_000 });
  };
  away.set(folder, bringBack);
  return bringBack;
}

/** @returns false while whoever had it last lets go of it */
async function mountAgain(image: string, folder: string): Promise<boolean> {
  // Mounted a second time it would be another volume, on the same blocks.
  const { stdout } = await run('losetup', ['--noheadings', '--output', 'NAME', '--associated', image]);
  const device = stdout.trim();
  return run('mount', device === '' ? ['-o', 'loop', image, folder] : [device, folder]).then(
    () => true,
    () => false,
  );
}

/** Of cgroup version 1, for the whole computer (Linux Documentation/admin-guide/cgroup-v1/blkio-controller.rst). */
const writeLimits = '/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device';

/**
 * Makes a volume on ext4 or ext2 as slow as a bad disk, for the rest of the test.
 * @returns false where that cannot be done: the test is skipped then, with the reason
 */
export async function slowDown(context: TestContext, folder: string, bytesPerSecond: number): Promise<boolean> {
  try {
    const { stdout } = await run('losetup', ['--noheadings', '--output', 'MAJ:MIN', '--associated', `${folder}.image`]);
    const device = stdout.trim();
    await writeFile(writeLimits, `${device} ${bytesPerSecond}`);
    context.after(() => writeFile(writeLimits, `${device} 0`));
    return true;
  } catch (error) {
    context.skip(`no volume can be slowed down here: ${error instanceof Error ? error.message.trim() : String(error)}`);
    return false;
  }
}

/**
 * Takes what is free on a volume, but for some bytes; with none left, to the last byte. At once, so that it can happen in
 * the middle of something else.
 * @returns the file to remove for it
 */
export function fillUp(folder: string, leaveBytes = 0, name = 'somebody-elses'): string {
  const file = path.join(folder, name);
  const fd = openSync(file, 'a');
  try {
    for (const pieceBytes of [2 ** 20, 2 ** 16, 4096, 1]) {
      const piece = Buffer.alloc(pieceBytes, 0x55);
      while ((leaveBytes === 0 || freeBytes(folder) >= leaveBytes + pieceBytes) && couldWrite(fd, piece)) {
        // What is written late counts late.
        if (leaveBytes > 0) {
          fsyncSync(fd);
        }
      }
      fsyncSync(fd);
    }
  } finally {
    closeSync(fd);
  }
  return file;
}

function couldWrite(fd: number, piece: Buffer): boolean {
  try {
    return writeSync(fd, piece) > 0;
  } catch (error) {
    if (systemCode(error) === 'ENOSPC') {
      return false;
    }
    throw error;
  }
}

export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
