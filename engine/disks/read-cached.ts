import { libc } from './libc.ts';

/** preadv2(2)'s RWF_NOWAIT, Linux 4.14: only what is in memory. */
const doNotWait = 0x8;
/** `struct iovec` where pointers and lengths have 64 bits, in bytes. */
const vectorBytes = 16;
const lengthAt = 8;

/**
 * So many reads follow each other at once before one has to wait its turn, so that who works on a long table in small
 * pieces does not keep everybody else, and the user's "cancel", from being heard.
 */
const mostInTurn = 64;
let inTurn = 0;

/**
 * Reads what is in the page cache, at once: to have another thread do it takes thirty times as long. Undefined where it
 * is not to be had.
 * @returns what was read, if anything: not all when the rest means waiting, when others are to have a turn, and after any
 *   error, which an ordinary read tells
 */
export const readCached: ((fd: number, buffer: Buffer, offset: number) => CachedRead | undefined) | undefined = load();

interface CachedRead {
  bytes: number;
  /** Whether the buffer is full, or the file ends there. */
  isAll: boolean;
}

function load(): typeof readCached {
  if (process.platform !== 'linux' || libc === undefined) {
    return undefined;
  }
  const { address } = libc;
  const vector = Buffer.alloc(vectorBytes);
  try {
    const preadv2 = libc.func<[fd: number, iov: Buffer, iovcnt: number, offset: number, flags: number]>(
      'int64_t preadv2(int fd, const void *iov, int iovcnt, int64_t offset, int flags)',
    );
    return (fd, buffer, offset) => {
      if (!hasTurn()) {
        return undefined;
      }
      const start = address(buffer);
      let bytes = 0;
      // The second time finds the end of the file, as a rule.
      while (bytes < buffer.length) {
        vector.writeBigUInt64LE(start + BigInt(bytes));
        vector.writeBigUInt64LE(BigInt(buffer.length - bytes), lengthAt);
        const found = preadv2(fd, vector, 1, offset + bytes, doNotWait);
        if (found <= 0) {
          return { bytes, isAll: found === 0 };
        }
        bytes += found;
      }
      return { bytes, isAll: true };
    };
  } catch {
    // An older C library has no such function.
    return undefined;
  }
}

function hasTurn(): boolean {
  if (inTurn === 0) {
    setImmediate(() => (inTurn = 0));
  }
  return inTurn++ < mostInTurn;
}
