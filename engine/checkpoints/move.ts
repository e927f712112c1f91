import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, realpath, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { requireFree } from '../disks/new-file.ts';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { syncFolder, writeRecord } from '../store/atomic-file.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { writeMoved } from '../store/moved-machines.ts';
import { requireNoClones } from './clone-records.ts';
import { asideOf, copyBeside, copyMark, endMove } from './end-move.ts';
import { endGroups, isInGroup } from './end-groups.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { copyFiles, sizeOfRegularFile } from './file-copies.ts';
import { lockAll } from './lock-all.ts';
import { requireStopped, type OpenMachine } from './locked-machine.ts';
import { machineFolders } from './machine-folders.ts';
import { findMachine } from './open-machine.ts';
import { openLocked } from './open-locked.ts';
import { requireSpaceFor, type SpaceNeed } from './space-check.ts';

/** What stays behind: it is of the engines and processes at the old place. */
const leftBehind = new Set(['lock', 'lock.owner']);

/** Where a machine goes, and how. */
export interface MoveDecision {
  from: string;
  to: string;
  /** To another volume: its files, relative to its folder, and the bytes that they take; empty where a rename does. */
  files: string[];
  folders: string[];
  isCopy: boolean;
  bytes: number;
  needs: SpaceNeed[];
}

/** The folder that a machine's own is to lie in; the home's when none is given. */
export async function placeToMoveTo(context: EngineContext, given: string | undefined): Promise<string> {
  const { home } = context;
  const wanted = path.resolve(given ?? home.machines);
  const found = await realpath(wanted).catch(() => undefined);
  if (found === undefined || !(await stat(found)).isDirectory()) {
    throw new CheckpointError(
      'InvalidArgument',
      `There is no folder ${wanted}. Make it first, or connect the disk that it is on.`,
      { path: wanted },
    );
  }
  if (found === (await realpath(home.machines).catch(() => home.machines))) {
    return home.machines;
  }
  const own = [home.machines, home.images, home.jobs, home.groups, home.logs, home.cache];
  for (const one of own) {
    if (isInside(await realpath(one).catch(() => one), found)) {
      throw new CheckpointError(
        'InvalidArgument',
        `${wanted} lies in ${one}, where other things are kept. Choose a folder outside of it.`,
        { path: wanted },
      );
    }
  }
  return found;
}

/** @throws InvalidArgument */
export function requireOtherPlace(folder: MachineFolder, place: string): void {
  const name = path.basename(folder.path);
  if (folder.path === path.join(place, name)) {
    throw new CheckpointError(
      'InvalidArgument',
      `Machine “${name}” lies at ${folder.path} already. Choose another folder.`,
      { path: folder.path },
    );
  }
}

/**
 * @param place folder that the machine's own is to lie in, of {@link placeToMoveTo}
 * @throws MachineRunning, HasClones, NameInUse, InvalidArgument, NotEnoughSpace
 */
export async function decideMove(context: EngineContext, machine: OpenMachine, place: string): Promise<MoveDecision> {
  const { folder, records } = machine;
  const { name } = records.definition;
  requireStopped(machine, 'moving it');
  requireNoClones(machine, 'it is moved');
  requireOtherPlace(folder, place);
  const to = path.join(place, name);
  if (isInside(await realpath(folder.path), place)) {
    throw new CheckpointError(
      'InvalidArgument',
      `${place} lies in the folder of machine “${name}” itself. Choose a folder outside of it.`,
      { path: place },
    );
  }
  await requireFree(to);
  const isCopy = (await stat(folder.path)).dev !== (await stat(place)).dev;
  const { files, folders } = await contentOf(folder.path);
  const sizes = await Promise.all(files.map((file) => sizeOfRegularFile(path.join(folder.path, file))));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const needs = isCopy ? [{ folder: place, bytes }] : [];
  await requireSpaceFor(context, `Moving “${name}”`, needs);
  return { from: folder.path, to, files, folders, isCopy, bytes, needs };
}

/**
 * Moves a machine's folder, if that has not happened; with an aborted signal, undoes what is left of it.
 * @returns where it lies, and how much was copied
 * @throws as {@link decideMove}; Locked
 */
export async function moveMachine(
  context: EngineContext,
  { machine, place, token }: { machine: string; place: string; token: string },
  call: Call,
): Promise<{ folder: string; copiedBytes: number }> {
  const machines = (): ReturnType<typeof machineFolders> => machineFolders(context);
  const folder = await findMachine(context, machine);
  const name = path.basename(folder.path);
  await endGroups(context, machines, [folder]);
  return lockAll(context, [{ folder }], 'move', async () => {
    if (await isInGroup(context, machines, folder)) {
      throw new CheckpointError('Locked', `Machine “${name}” is being changed with its group. Try again.`, {});
    }
    const open = await openLocked(context, folder, machines);
    if (folder.path === path.join(place, name)) {
      return { folder: folder.path, copiedBytes: 0 };
    }
    call.signal?.throwIfAborted();
    const decided = await decideMove(context, open, await placeToMoveTo(context, place));
    context.changed.add(name);
    try {
      await writeMoved(context.home, name, { path: decided.from, move: { to: decided.to, token } });
      const isCopied = decided.isCopy || !(await isRenamed(decided));
      if (isCopied) {
        await copyOver(context, decided, token, call);
      }
    } catch (error) {
      if (existsSync(decided.from)) {
        await endMove(context, folder).catch((failed: unknown) => {
          context.log.error(`Machine ${folder.path}: a move could not be undone yet: ${String(failed)}`);
        });
        throw error;
      }
      context.log.error(`Machine ${decided.to} was moved, but may not be when the power fails now: ${String(error)}`);
    }
    const [moved] = (await machines()).filter((one) => one.path === decided.to);
    if (moved !== undefined) {
      await endMove(context, moved).catch((error: unknown) => {
        context.log.error(`Machine ${decided.to}: the end of a move is left to the next engine: ${String(error)}`);
      });
    }
    return { folder: decided.to, copiedBytes: decided.isCopy ? decided.bytes : 0 };
  });
}

/** @returns false where the two places only look like one volume */
async function isRenamed({ from, to }: MoveDecision): Promise<boolean> {
  try {
    await rename(from, to);
  } catch (error) {
    if (systemCode(error) === 'EXDEV') {
      return false;
    }
    throw error;
  }
  await syncFolder(path.dirname(to));
  await syncFolder(path.dirname(from));
  return true;
}

async function copyOver(context: EngineContext, decided: MoveDecision, token: string, call: Call): Promise<void> {
  const { from, to, files, folders } = decided;
  const copy = copyBeside({ to, token });
  await rm(copy, { recursive: true, force: true });
  await mkdir(copy, { mode: 0o700 });
  for (const inner of folders) {
    await mkdir(path.join(copy, inner), { mode: 0o700 });
  }
  const copies = files.map((file) => ({ from: path.join(from, file), to: path.join(copy, file) }));
  await copyFiles(context, { copies, folder: path.dirname(to), what: `Moving “${path.basename(to)}”` }, call);
  call.report?.('Comparing the copy');
  for (const one of copies) {
    await verifyCopy(one, call);
  }
  await writeRecord(path.join(copy, copyMark), { version: 1, token });
  for (const inner of [...folders.toReversed(), '']) {
    await syncFolder(path.join(copy, inner));
  }
  call.signal?.throwIfAborted();
  await requireFree(to);
  await rename(copy, to);
  await syncFolder(path.dirname(to));
  // From here on it lies at its new place: nothing is left at the old one.
  await rename(from, asideOf(from, token));
  await syncFolder(path.dirname(from));
}

async function verifyCopy({ from, to }: { from: string; to: string }, { signal }: Call): Promise<void> {
  const [original, copied] = [await stat(from), await stat(to)];
  if (original.size !== copied.size || (await hashOf(from, signal)) !== (await hashOf(to, signal))) {
    throw new CheckpointError(
      'ImageDamaged',
      `The copy ${to} is not the same as ${from}: a disk or its connection is faulty. The machine stays where it was.`,
      { path: to },
    );
  }
  await utimes(to, original.atime, original.mtime);
}

async function hashOf(file: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 2 ** 20 }), hash, signal === undefined ? {} : { signal });
  return hash.digest('hex');
}

/** What goes along: all but locks, and what processes that are gone left to talk through. */
async function contentOf(place: string): Promise<{ files: string[]; folders: string[] }> {
  const files: string[] = [];
  const folders: string[] = [];
  const walk = async (inner: string): Promise<void> => {
    for (const entry of await readdir(path.join(place, inner), { withFileTypes: true })) {
      const name = path.join(inner, entry.name);
      if (entry.isDirectory()) {
        folders.push(name);
        await walk(name);
      } else if (!leftBehind.has(name) && (entry.isFile() || path.dirname(name) !== 'run')) {
        files.push(name);
      }
    }
  };
  await walk('');
  return { files, folders };
}

function isInside(outer: string, inner: string): boolean {
  const way = path.relative(outer, inner);
  return way === '' || !(way.startsWith('..') || path.isAbsolute(way));
}
