import { CheckpointError } from '../model/checkpoint-error.ts';
import { libc } from './libc.ts';
import { readField, writeStructure, type StructureTable } from './structure.ts';

/**
 * QEMU's locks on an image (block/file-posix.c): a read lock on byte 100 + n says "I do this", one on byte 200 + n says
 * "nobody else may". They are open-file-description locks: the kernel releases them when the file is closed, however the
 * process ends.
 */
const useBase = 100;
const refusalBase = 200;
/** Bits of QEMU's block/block.h: `BLK_PERM_CONSISTENT_READ`, `BLK_PERM_WRITE`, `BLK_PERM_RESIZE`. */
const permission = { consistentRead: 0, write: 1, resize: 3 } as const;

/** What a writer does. */
const uses = Object.values(permission);
/** What it bears from nobody else. Reading is for the reader to decide. */
const refusals = [permission.write, permission.resize];

/** fcntl(2): `struct flock` of 64-bit Linux, and the commands for it (`linux/fcntl.h`). */
const flock = {
  l_type: { offset: 0, type: 'u16le' },
  l_whence: { offset: 2, type: 'u16le' },
  l_start: { offset: 8, type: 'u64le' },
  l_len: { offset: 16, type: 'u64le' },
  l_pid: { offset: 24, type: 'u32le' },
} as const satisfies StructureTable;
const flockBytes = 32;
const lockType = { read: 0, write: 1, none: 2 } as const;
const command = { getOfdLock: 36, setOfdLock: 37 } as const;

const fcntl =
  process.platform === 'linux'
    ? libc?.func<[fd: number, command: number, type: 'void *', lock: Buffer]>('int fcntl(int fd, int command, ...)')
    : undefined;

/** True where {@link lockForWriting} sees other programs, and they see us. */
export const hasImageLocks = fcntl !== undefined;

/**
 * Says that a file is being written, in the way that QEMU says it and looks for, until the file is closed. On a volume
 * without such locks nothing happens, and neither does QEMU lock anything there.
 * @throws DiskInUse when a program, this one too, has it open in a way that does not go together with writing
 */
export function lockForWriting(fd: number, path: string): void {
  // First the own locks, then the look for others': of two that begin at the same time, at least one sees the other.
  const own = [...uses.map((bit) => useBase + bit), ...refusals.map((bit) => refusalBase + bit)];
  if (own.every((byte) => setReadLock(fd, byte))) {
    const contrary = [...uses.map((bit) => refusalBase + bit), ...refusals.map((bit) => useBase + bit)];
    if (contrary.some((byte) => isLockedByAnother(fd, byte))) {
      throw diskInUse(path);
    }
  }
}

export function diskInUse(path: string): CheckpointError {
  return new CheckpointError(
    'DiskInUse',
    `The disk ${path} is open in another program, such as a running virtual machine, so it cannot be changed now. ` +
      'Close that program and try again.',
    { path },
  );
}

function setReadLock(fd: number, byte: number): boolean {
  return fcntl?.(fd, command.setOfdLock, 'void *', oneByte(lockType.read, byte)) === 0;
}

function isLockedByAnother(fd: number, byte: number): boolean {
  // Answered by the lock that stands in the way of this one, or by `none`.
  const wanted = oneByte(lockType.write, byte);
  return fcntl?.(fd, command.getOfdLock, 'void *', wanted) === 0 && readField(wanted, flock.l_type) !== lockType.none;
}

function oneByte(type: number, byte: number): Buffer {
  const lock = Buffer.alloc(flockBytes);
  writeStructure(lock, flock, { l_type: type, l_whence: 0, l_start: BigInt(byte), l_len: 1n, l_pid: 0 });
  return lock;
}
