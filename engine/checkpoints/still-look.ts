import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { lockHolder } from '../store/file-lock.ts';
import type { LockHolder } from '../store/lock-holder.ts';
import type { MachineFolder } from '../store/machine-folder.ts';

/** What is looked at in passing is looked at again within this time, when it was changed meanwhile. */
const patienceMs = 1000;

export type StillLook<T> = { seen: T } | { busy: LockHolder | undefined };

/**
 * Looks at a machine without locking it, so that nobody has to wait for that. What was seen while somebody changed the machine
 * is thrown away: whoever changes one takes its lock, and that leaves a trace.
 * @param patience `once` for a look that takes long
 * @returns what was seen, all of one state; or who keeps changing the machine, as far as that is known
 */
export async function lookWhileStill<T>(
  folder: MachineFolder,
  look: () => Promise<T>,
  patience: 'once' | 'again' = 'again',
): Promise<StillLook<T>> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const before = await traceOf(folder);
    if (typeof before === 'string') {
      const [outcome] = await Promise.allSettled([look()]);
      if ((await traceOf(folder)) === before) {
        if (outcome.status === 'rejected') {
          throw outcome.reason;
        }
        return { seen: outcome.value };
      }
    }
    if (patience === 'once' || performance.now() > end) {
      return { busy: typeof before === 'string' ? undefined : before.holder };
    }
    await delay(20);
  }
}

/** Another text once the lock was taken since; who holds it, at this moment. */
async function traceOf(folder: MachineFolder): Promise<string | { holder: LockHolder }> {
  const holder = await lockHolder(folder.lock);
  if (holder !== undefined) {
    return { holder };
  }
  const times = await Promise.all(
    [folder.lock, folder.path].map((file) =>
      stat(file, { bigint: true }).then(
        ({ mtimeNs, ino }) => `${ino}:${mtimeNs}`,
        () => 'none',
      ),
    ),
  );
  return times.join(' ');
}
