import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { syncFolder } from '../store/atomic-file.ts';
import { tryFileLock } from '../store/file-lock.ts';
import type { FileLock } from '../store/lock-holder.ts';
import { MachineFolder } from '../store/machine-folder.ts';
import type { EngineContext } from './engine-context.ts';
import { claimName } from './open-machine.ts';

/** A folder that a new machine is made in, out of sight, and one that a machine which was removed is on its way out in. */
const newPrefix = '.new-';
const removedPrefix = '.removed-';

/** Making such a folder and locking it takes a moment; a sweep waits for that. */
const momentMs = 1000;

/**
 * Makes a machine out of sight and gives it its name when it is whole. Whoever makes it holds its lock, so that what a dead
 * engine left can be told from what is being made.
 * @throws NameInUse
 */
export async function makeMachine(
  context: EngineContext,
  name: string,
  make: (folder: MachineFolder) => Promise<void>,
): Promise<void> {
  const { machines } = context.home;
  await mkdir(machines, { recursive: true, mode: 0o700 });
  await sweepLeftovers(context);
  const { staging, lock } = await withSweepLock(context, async () => {
    const made = await mkdtemp(path.join(machines, newPrefix));
    return { staging: made, lock: await lockOf(context, made) };
  });
  let isNamed = false;
  try {
    const folder = new MachineFolder(staging);
    await folder.create();
    await make(folder);
    await folder.keepReserve();
    await claimName(name, () => rename(staging, path.join(machines, name)));
    isNamed = true;
    await syncFolder(machines);
  } finally {
    await lock?.release();
    if (!isNamed) {
      await rm(staging, { recursive: true, force: true });
    }
  }
}

/** Takes a machine, which the caller has locked, out of sight. @returns where it is, for {@link rm} */
export async function setAside(context: EngineContext, folder: MachineFolder): Promise<string> {
  const { machines } = context.home;
  const place = await mkdtemp(path.join(machines, removedPrefix));
  await rename(folder.path, path.join(place, 'machine'));
  await syncFolder(machines);
  return place;
}

/** Removes what engines that died left of machines that never were, or are no more. */
export async function sweepLeftovers(context: EngineContext): Promise<void> {
  const { machines } = context.home;
  const left = (await readdir(machines).catch(() => [])).filter(
    (name) => name.startsWith(newPrefix) || name.startsWith(removedPrefix),
  );
  if (left.length === 0) {
    return;
  }
  await withSweepLock(context, async () => {
    for (const name of left) {
      const folder = path.join(machines, name);
      const lock = name.startsWith(newPrefix) ? await lockOf(context, folder).catch(() => undefined) : undefined;
      if (lock !== undefined || name.startsWith(removedPrefix)) {
        await lock?.release();
        await rm(folder, { recursive: true, force: true }).catch((error: unknown) =>
          context.log.error(`${folder} could not be removed: ${String(error)}`),
        );
      }
    }
  });
}

async function lockOf(context: EngineContext, folder: string): Promise<FileLock | undefined> {
  const attempt = await tryFileLock(new MachineFolder(folder).lock, { operation: 'create', face: context.face });
  return 'lock' in attempt ? attempt.lock : undefined;
}

async function withSweepLock<T>(context: EngineContext, act: () => Promise<T>): Promise<T> {
  const file = path.join(context.home.machines, '.sweep');
  const end = performance.now() + momentMs;
  for (;;) {
    const attempt = await tryFileLock(file, { operation: 'sweep', face: context.face });
    if ('lock' in attempt) {
      try {
        return await act();
      } finally {
        await attempt.lock.release();
      }
    }
    if (performance.now() > end) {
      // Whoever holds it that long hangs; nothing is lost by going on.
      return act();
    }
    await delay(10);
  }
}
