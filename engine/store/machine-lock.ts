import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { lockHolder, tryFileLock } from './file-lock.ts';
import type { FileLock, LockHolder } from './lock-holder.ts';
import { lookOperation, recoverOperation, wantLock, yieldsTo } from './lock-wanted.ts';

/** Long enough for the moment in which another engine only looks at the machine; a person notices nothing. */
const patienceMs = 200;
/** A merge in a running machine gives up its lock at once, unless it is about to end; that may take the disk a while. */
const yieldPatienceMs = 20_000;
const askAgainMs = 300;
/** Longer than a QEMU that hangs is waited for (`qmp.ts`): who forces it off comes after that. */
const recoverPatienceMs = 15_000;

/**
 * Runs a change of something that one engine at a time may change.
 * @param what how the user knows it, such as `Machine “playground”`
 * @throws Locked, naming the holder
 */
export async function withLock<T>(
  file: string,
  what: string,
  purpose: Pick<LockHolder, 'operation' | 'face'>,
  change: () => Promise<T>,
): Promise<T> {
  const lock = await acquire(file, what, purpose);
  try {
    return await change();
  } finally {
    await lock.release();
  }
}

/** Waits for a moment until nobody holds a lock, which stays untouched. @throws Locked, naming the holder */
export async function requireUnlocked(file: string, what: string): Promise<void> {
  const started = performance.now();
  let end = started + patienceMs;
  let isAsked = false;
  for (;;) {
    const holder = await lockHolder(file);
    if (holder === undefined) {
      return;
    }
    const looking = { operation: lookOperation, face: 'who looks' };
    if (!isAsked && yieldsTo(holder, looking) && wantLock(file, looking)) {
      isAsked = true;
      end = started + yieldPatienceMs;
    }
    if (performance.now() > Math.max(end, started + patienceWith(holder))) {
      throw lockedError(what, holder);
    }
    await delay(20);
  }
}

async function acquire(file: string, what: string, purpose: Pick<LockHolder, 'operation' | 'face'>): Promise<FileLock> {
  const started = performance.now();
  let end = started + patienceMs;
  let asked = Number.NEGATIVE_INFINITY;
  for (;;) {
    const attempt = await tryFileLock(file, purpose);
    if ('lock' in attempt) {
      return attempt.lock;
    }
    if (yieldsTo(attempt.holder, purpose) && performance.now() - asked > askAgainMs && wantLock(file, purpose)) {
      asked = performance.now();
      end = started + yieldPatienceMs;
    }
    if (performance.now() > Math.max(end, started + patienceWith(attempt.holder))) {
      throw lockedError(what, attempt.holder);
    }
    await delay(20);
  }
}

/** A holder says who it is in the moment after it got the lock: so a nameless one is asked again. */
function patienceWith(holder: LockHolder | undefined): number {
  if (holder === undefined) {
    return 2 * patienceMs;
  }
  return holder.operation === recoverOperation ? recoverPatienceMs : patienceMs;
}

/** @param what how the user knows it, such as `Machine “playground”` */
export function lockedError(what: string, holder: LockHolder | undefined): CheckpointError {
  const who = holder === undefined ? 'another process' : `${holder.face} (process ${holder.pid}, ${holder.operation})`;
  return new CheckpointError(
    'Locked',
    `${what} is being changed by ${who}. Wait until it has finished and try again. Nothing was changed.`,
    {
      ...(holder === undefined ? {} : { holder }),
    },
  );
}
