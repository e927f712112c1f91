import { statfsSync } from 'node:fs';
import { settlingMs } from './file-stamps.ts';

/** Linux stamps files on these with its own clock, which counts in steps of 10 ms at most (CONFIG_HZ=100). */
const kernelSettlingMs = 30;

/** `f_type` of statfs(2). */
const stampedByKernel: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0x01021994, // tmpfs
]);

/**
 * Whether a file that was changed at a time could be changed once more now and have the same time: in one step of the clock
 * that its file system has.
 */
export function mayChangeUnseen(file: string, changedMs: number): boolean {
  const ageMs = Date.now() - changedMs;
  return ageMs < kernelSettlingMs || (ageMs < settlingMs && !isStampedByKernel(file));
}

function isStampedByKernel(file: string): boolean {
  try {
    return process.platform === 'linux' && stampedByKernel.has(statfsSync(file).type);
  } catch {
    return false;
  }
}
