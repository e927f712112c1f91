import { libc } from './libc.ts';

/** pwritev2(2)'s RWF_DONTCACHE, Linux 6.14: the volume gets the data at once, and memory keeps it no longer than that takes. */
const doNotCache = 0x80;

interface IoVector {
  iov_base: Buffer;
  iov_len: number;
}

/**
 * Writes a buffer, on another thread, without its staying in the page cache; pages that are there already stay. Not durable
 * yet afterwards. Undefined where it is not to be had.
 * @returns bytes written, perhaps fewer than the buffer has; undefined after any error, which an ordinary write tells
 */
export const writeUncached: ((fd: number, buffer: Buffer, offset: number) => Promise<number | undefined>) | undefined =
  load();

function load(): typeof writeUncached {
  if (process.platform !== 'linux' || libc === undefined) {
    return undefined;
  }
  try {
    libc.struct('iovec', { iov_base: 'const void *', iov_len: 'size_t' });
    const pwritev2 = libc.func<[fd: number, iov: IoVector[], iovcnt: number, offset: number, flags: number]>(
      'int64_t pwritev2(int fd, const iovec *iov, int iovcnt, int64_t offset, int flags)',
    );
    return (fd, buffer, offset) =>
      new Promise((resolve) => {
        pwritev2.async(fd, [{ iov_base: buffer, iov_len: buffer.length }], 1, offset, doNotCache, (error, written) => {
          resolve(error === null && written > 0 ? written : undefined);
        });
      });
  } catch {
    // An older C library has no such function.
    return undefined;
  }
}
