import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { readRecord, syncFolder, writeRecord } from '../store/atomic-file.ts';
import { tryFileLock } from '../store/file-lock.ts';
import type { FileLock } from '../store/lock-holder.ts';
import { MachineFolder } from '../store/machine-folder.ts';
import { isMoved, removalsOf, removeMoved, writeMoved } from '../store/moved-machines.ts';
import { recordVersion, removedFilesRecord } from '../store/records.ts';
import { keepReserve } from '../store/space-reserve.ts';
import type { EngineContext } from './engine-context.ts';
import { claimName } from './open-machine.ts';
import { removeOutside } from './outside-record.ts';

/** A folder that a new machine is made in, out of sight, and one that a machine which was removed is on its way out in. */
export const newPrefix = '.new-';
export const removedPrefix = '.removed-';
const removedMachine = 'machine';
const removedFiles = 'files.json';

/** Making such a folder and locking it takes a moment; a sweep waits for that. */
const momentMs = 1000;

/**
 * Makes a machine out of sight and gives it its name when it is whole. Whoever makes it holds its lock, so that what a dead
 * engine left can be told from what is being made.
 * @throws NameInUse, HomeNotReachable
 */
export async function makeMachine(
  context: EngineContext,
  name: string,
  make: (folder: MachineFolder) => Promise<void>,
): Promise<void> {
  const { machines, volume } = context.home;
  volume.requireThere();
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
    await keepReserve(folder.path);
    await claimName(name, async () => {
      requireNotMoved(context, name);
      await rename(staging, path.join(machines, name));
    });
    isNamed = true;
    await syncNames(context, machines);
  } finally {
    await lock?.release();
    if (!isNamed) {
      await removeNew(staging);
    }
  }
}

/** One may have come to that name, and been moved, since it was chosen. @throws NameInUse */
function requireNotMoved({ home }: EngineContext, name: string): void {
  if (isMoved(home, name)) {
    throw new CheckpointError('NameInUse', `There is already a machine “${name}”. Choose another name.`, { name });
  }
}

/**
 * Takes a machine, which the caller has locked, out of sight.
 * @param besides absolute paths of files outside of its folder that go with it
 * @returns where it is, for {@link removeSetAside}
 */
export async function setAside(
  context: EngineContext,
  folder: MachineFolder,
  besides: readonly string[],
): Promise<string> {
  const isElsewhere = path.dirname(folder.path) !== context.home.machines;
  const machines = path.dirname(folder.path);
  const place = isElsewhere
    ? path.join(machines, `${removedPrefix}${path.basename(folder.path)}-${randomBytes(4).toString('hex')}`)
    : await mkdtemp(path.join(machines, removedPrefix));
  if (isElsewhere) {
    // First of all: nothing else leads to what lies there.
    await writeMoved(context.home, path.basename(folder.path), { path: folder.path, removal: place });
    await mkdir(place, { mode: 0o700 });
  }
  if (besides.length > 0) {
    await writeRecord(path.join(place, removedFiles), { version: recordVersion, files: besides });
  }
  await rename(folder.path, path.join(place, removedMachine));
  await syncNames(context, machines);
  return place;
}

/** What has happened is told as done even where it cannot be confirmed that it outlives a power failure. */
async function syncNames({ log }: EngineContext, folder: string): Promise<void> {
  await syncFolder(folder).catch((error: unknown) =>
    log.error(`What was changed in ${folder} may be lost when the power fails now: ${String(error)}`),
  );
}

/** Removes a machine that was set aside; what is left of it when this fails goes at the next sweep. */
export async function removeSetAside(context: EngineContext, place: string): Promise<void> {
  try {
    // Without the machine it is what a removal left that did not happen.
    if ((await readdir(place)).includes(removedMachine)) {
      const record = await readRecord(path.join(place, removedFiles), removedFilesRecord);
      for (const file of record?.files ?? []) {
        await rm(file, { force: true });
      }
    }
    await rm(place, { recursive: true, force: true });
  } catch (error) {
    context.log.error(`${place} could not be removed: ${String(error)}`);
  }
}

/** Removes what engines that died left of machines that never were, or are no more. */
export async function sweepLeftovers(context: EngineContext): Promise<void> {
  const { machines } = context.home;
  await endRemovals(context);
  const left = (await readdir(machines).catch(() => [])).filter(
    (name) => name.startsWith(newPrefix) || name.startsWith(removedPrefix),
  );
  if (left.length === 0) {
    return;
  }
  await withSweepLock(context, async () => {
    for (const name of left) {
      const folder = path.join(machines, name);
      if (name.startsWith(removedPrefix)) {
        await removeSetAside(context, folder);
        continue;
      }
      const lock = await lockOf(context, folder).catch(() => undefined);
      if (lock !== undefined) {
        await lock.release();
        await removeNew(folder).catch((error: unknown) =>
          context.log.error(`${folder} could not be removed: ${String(error)}`),
        );
      }
    }
  });
}

/** Of machines that lay outside of the home, as far as their disks can be reached; one that is still there is no matter of this. */
export async function endRemovals(context: EngineContext): Promise<void> {
  for (const { name, record } of removalsOf(context.home)) {
    if (!existsSync(record.path) && existsSync(path.dirname(record.path))) {
      if (existsSync(record.removal)) {
        await removeSetAside(context, record.removal);
      }
      if (!existsSync(record.removal)) {
        await removeMoved(context.home, name);
      }
    }
  }
}

/** What it has outside goes first, as it is known from there. */
async function removeNew(folder: string): Promise<void> {
  await removeOutside(folder);
  await rm(folder, { recursive: true, force: true });
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
