import { open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { systemCode } from '../model/checkpoint-error.ts';
import { isProcessAlive, processIdentity } from './process-identity.ts';

/** Who holds a lock, for the message to those who want it. */
export interface LockHolder {
  pid: number;
  identity?: string;
  /** What it is doing, such as `take`. */
  operation: string;
  /** How the user knows it, such as `VS Code` or `ckpt`. */
  face: string;
  since: string;
}

const holderRecord = z.object({
  pid: z.int().positive(),
  identity: z.string().exactOptional(),
  operation: z.string().max(100),
  face: z.string().max(100),
  since: z.iso.datetime(),
});

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

/** A held lock. */
export interface FileLock {
  release(): Promise<void>;
}

/**
 * Tries once to take the lock on a file, which is created and stays.
 * @returns the lock, or who holds it (undefined when it cannot be known).
 */
export async function tryFileLock(
  file: string,
  purpose: Pick<LockHolder, 'operation' | 'face'>,
): Promise<{ lock: FileLock } | { holder: LockHolder | undefined }> {
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
  const holder = await readHolder(native === undefined ? `${file}.owner` : file);
  return holder !== undefined && (await isProcessAlive(holder.pid, holder.identity)) ? holder : undefined;
}

async function tryNative(
  locks: NativeLocks,
  file: string,
  holder: LockHolder,
): Promise<{ lock: FileLock } | { holder: LockHolder | undefined }> {
  const handle = await open(file, 'a+', 0o600);
  let locked = false;
  try {
    locked = locks.tryLock(handle.fd, lockedByte, 1);
    if (!locked) {
      return { holder: await readHolder(file) };
    }
    await writeHolder(handle, holder);
  } finally {
    if (!locked) {
      await handle.close();
    }
  }
  return {
    lock: {
      async release() {
        try {
          await handle.truncate(0);
        } finally {
          await handle.close();
        }
      },
    },
  };
}

/** Without kernel locks: a file that only one process can create, and that a dead owner loses. */
async function tryOwnerFile(
  file: string,
  holder: LockHolder,
): Promise<{ lock: FileLock } | { holder: LockHolder | undefined }> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const handle = await open(file, 'wx', 0o600);
      await writeHolder(handle, holder);
      await handle.close();
      return { lock: { release: () => rm(file, { force: true }) } };
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') {
        throw error;
      }
    }
    const found = await readHolder(file);
    if (found === undefined || (await isProcessAlive(found.pid, found.identity))) {
      return { holder: found };
    }
    // The rename is the claim: of several that find the owner dead, one moves the file away.
    const claimed = `${file}.${process.pid}`;
    await rename(file, claimed).catch(() => undefined);
    await rm(claimed, { force: true });
  }
  return { holder: undefined };
}

async function writeHolder(handle: FileHandle, holder: LockHolder): Promise<void> {
  await handle.truncate(0);
  await handle.write(JSON.stringify(holder), 0);
}

async function readHolder(file: string): Promise<LockHolder | undefined> {
  try {
    const parsed = holderRecord.safeParse(JSON.parse(await readFile(file, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
