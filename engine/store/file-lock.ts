import { closeSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { systemCode } from '../model/checkpoint-error.ts';
import { readHolder, type LockAttempt, type LockHolder } from './lock-holder.ts';
import { tryOwnerFile } from './owner-file.ts';
import { isProcessAlive, processIdentity } from './process-identity.ts';

interface NativeLocks {
  tryLock(fd: number, offset: number, length: number): boolean;
}

/** The byte that is locked lies beyond the content: on Windows a locked range cannot be read by others. */
const lockedByte = 2 ** 30;

/**
 * Locks that the kernel releases when their holder dies, however it dies (Linux open-file-description locks, flock on
 * macOS, LockFileEx on Windows). Undefined where the native package does not load, such as on musl.
 */
const native: NativeLocks | undefined = loadNativeLocks();

function loadNativeLocks(): NativeLocks | undefined {
  try {
    // Loaded here and not imported, so that a platform without a binary still has an engine.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-return -- the package has no types
    return require('fs-native-extensions');
  } catch {
    return undefined;
  }
}

/**
 * Tries once to take the lock on a file, which is created and stays.
 * @returns the lock, or who holds it (undefined when it cannot be known).
 */
export async function tryFileLock(file: string, purpose: Pick<LockHolder, 'operation' | 'face'>): Promise<LockAttempt> {
  const identity = await processIdentity(process.pid);
  const holder: LockHolder = {
    pid: process.pid,
    ...(identity === undefined ? {} : { identity }),
    ...purpose,
    since: new Date().toISOString(),
  };
  return native === undefined ? tryOwnerFile(`${file}.owner`, holder) : tryNative(native, file, holder);
}

/** Who holds the lock at this moment, as far as can be told without touching it. */
export async function lockHolder(file: string): Promise<LockHolder | undefined> {
  const holder = namesNobody(file) ? undefined : await readHolder(nameFile(file));
  return holder !== undefined && (await isProcessAlive(holder.pid, holder.identity)) ? holder : undefined;
}

/** A lock that was released is empty: a look costs less than to find out that it is no record. */
export function namesNobody(file: string): boolean {
  try {
    return (statSync(nameFile(file), { throwIfNoEntry: false })?.size ?? 0) === 0;
  } catch {
    return false;
  }
}

/** Where the holder of a lock says who it is. */
function nameFile(file: string): string {
  return native === undefined ? `${file}.owner` : file;
}

/** At once: no call waits for anything, and each turn of a thread would cost more than all of them. */
async function tryNative(locks: NativeLocks, file: string, holder: LockHolder): Promise<LockAttempt> {
  const descriptor = openSync(file, 'a+', 0o600);
  let isHeld = false;
  try {
    if (!locks.tryLock(descriptor, lockedByte, 1)) {
      return { holder: await readHolder(file) };
    }
    ftruncateSync(descriptor, 0);
    writeHolder(descriptor, holder);
    isHeld = true;
  } finally {
    if (!isHeld) {
      closeSync(descriptor);
    }
  }
  return {
    lock: {
      release() {
        // Closing releases it; the name in it is only for those who ask.
        nameNobody(descriptor);
        closeSync(descriptor);
        return Promise.resolve();
      },
    },
  };
}

/** On a full volume the lock has no name, and is a lock all the same: else nothing could be deleted there. */
function writeHolder(descriptor: number, holder: LockHolder): void {
  try {
    writeSync(descriptor, JSON.stringify(holder), 0);
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')) {
      throw error;
    }
  }
}

/** An engine that lives on would be taken for the holder of what it left long ago. */
function nameNobody(descriptor: number): void {
  for (const write of [() => ftruncateSync(descriptor, 0), () => writeSync(descriptor, '-')]) {
    try {
      write();
      return;
    } catch {
      // What is longer than a record is none either. On a volume that takes neither, the name stays.
    }
  }
}
