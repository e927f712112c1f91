import { constants } from 'node:fs';

/** A call that changes something in the file system. */
export interface ChangingCall {
  name: string;
  /** It fails when the volume is full. */
  needsSpace?: true;
  /** It only makes durable what was done before. */
  syncs?: true;
  /** Which of its values is a buffer or text of which half can be written. */
  content?: number;
}

/** Functions of `node:fs/promises`, and of `node:fs` in both of its forms, that name a path. */
export const pathCalls: readonly ChangingCall[] = [
  { name: 'appendFile', needsSpace: true, content: 1 },
  { name: 'chmod' },
  { name: 'chown' },
  { name: 'copyFile', needsSpace: true },
  { name: 'cp', needsSpace: true },
  { name: 'lchown' },
  { name: 'link', needsSpace: true },
  { name: 'lutimes' },
  { name: 'mkdir', needsSpace: true },
  { name: 'mkdtemp', needsSpace: true },
  { name: 'rename' },
  { name: 'rm' },
  { name: 'rmdir' },
  { name: 'symlink', needsSpace: true },
  { name: 'truncate' },
  { name: 'unlink' },
  { name: 'utimes' },
  { name: 'writeFile', needsSpace: true, content: 1 },
];

/** Methods of a `FileHandle`. */
export const handleCalls: readonly ChangingCall[] = [
  { name: 'appendFile', needsSpace: true, content: 0 },
  { name: 'chmod' },
  { name: 'datasync', syncs: true },
  { name: 'sync', syncs: true },
  { name: 'truncate' },
  { name: 'utimes' },
  { name: 'write', needsSpace: true, content: 0 },
  { name: 'writeFile', needsSpace: true, content: 0 },
  { name: 'writev', needsSpace: true },
];

/** Functions of `node:fs` on the number of an open file, in both forms. */
export const descriptorCalls: readonly ChangingCall[] = [
  { name: 'fchmod' },
  { name: 'fdatasync', syncs: true },
  { name: 'fsync', syncs: true },
  { name: 'ftruncate' },
  { name: 'futimes' },
  { name: 'write', needsSpace: true, content: 1 },
  { name: 'writev', needsSpace: true },
];

/** Functions of the C library, by the name in their prototype, that change a file. */
export const libraryCall =
  /\b(copy_file_range|fallocate|posix_fallocate|sync_file_range|fdatasync|fsync|syncfs|ftruncate|pwrite|pwritev|pwritev2|writev?|rename|renameat2|link|linkat|unlink|ioctl|fclonefileat|clonefile|fcopyfile)\s*\(/;

/** Programs that change a file when their first argument says so. */
export function isChangingProgram(program: unknown, args: unknown): boolean {
  const verb: unknown = Array.isArray(args) ? args[0] : undefined;
  return (
    typeof program === 'string' &&
    /qemu-img(?:\.exe)?$/.test(program) &&
    !/^(info|check|map|compare)$/.test(String(verb))
  );
}

/** An open that makes a file, or empties one. */
export function isChangingOpen(flags: unknown): boolean {
  return typeof flags === 'number'
    ? (flags & (constants.O_CREAT | constants.O_TRUNC)) !== 0
    : typeof flags === 'string' && /[wa]/.test(flags);
}
