import { constants } from 'node:fs';
import { libc } from './libc.ts';

/** openat2(2), Linux 5.6: the number of the call, which the C library has no function for, is one on all machines. */
const openat2Number = 437;
/** AT_FDCWD: paths that are not absolute count from the current folder. */
const currentFolder = -100;
/** RESOLVE_CACHED, Linux 5.12: only when all names on the way are in memory. */
const resolveCached = 0x20n;
/** O_CLOEXEC, which Node sets, too, and has no name for: programs that are started do not get the file. */
const closeOnExec = 0o2000000;
/** `struct open_how`: flags, mode and resolve, of 64 bits each. */
const howBytes = 24;
const resolveAt = 16;

/**
 * Opens a file that is there, at once, when that takes no waiting. Undefined where that is not to be had.
 * @param flags without O_CREAT
 * @returns its number; undefined when it means waiting, and after any error, which an ordinary open tells
 */
export const openCached: ((path: string, flags: number) => number | undefined) | undefined = load();

function load(): typeof openCached {
  if (process.platform !== 'linux' || libc === undefined) {
    return undefined;
  }
  const how = Buffer.alloc(howBytes);
  how.writeBigUInt64LE(resolveCached, resolveAt);
  const openat2 = libc.func<[number: number, dirfd: number, path: string, how: Buffer, howBytes: number]>(
    'int64_t syscall(int64_t number, int dirfd, const char *path, const void *how, size_t size)',
  );
  return (path, flags) => {
    // C's texts end at the first NUL: another file than the one that was named.
    if (path.includes('\0') || (flags & constants.O_CREAT) !== 0) {
      return undefined;
    }
    how.writeBigUInt64LE(BigInt(flags | closeOnExec));
    const fd = openat2(openat2Number, currentFolder, path, how, howBytes);
    return fd < 0 ? undefined : fd;
  };
}
