import path from 'node:path';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { machineName } from '../model/names.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { endGroups, isInGroup } from './end-groups.ts';
import type { EngineContext } from './engine-context.ts';
import { lockAll } from './lock-all.ts';
import type { OpenMachine } from './locked-machine.ts';
import { machineFolders } from './machine-folders.ts';
import { openLocked } from './open-locked.ts';

/**
 * Finds a machine by name or id.
 * @throws MachineNotFound
 */
export async function findMachine(context: EngineContext, reference: string): Promise<MachineFolder> {
  const folders = await machineFolders(context);
  const wanted = reference.normalize('NFC').trim();
  const named = folders.find((folder) => path.basename(folder.path).normalize('NFC') === wanted);
  if (named !== undefined) {
    return named;
  }
  if (/^[0-9a-f-]{36}$/.test(wanted)) {
    for (const folder of folders) {
      const records = await folder.read().catch(() => undefined);
      if (records?.definition.id === wanted) {
        return folder;
      }
    }
  }
  throw new CheckpointError(
    'MachineNotFound',
    `There is no machine “${shorten(reference)}”. List the machines to see their names.`,
    { machine: reference },
  );
}

function shorten(text: string): string {
  return text.replace(/\p{C}/gu, '�').slice(0, 100);
}

/**
 * Runs a change of a machine: locked, with anything interrupted finished or undone first.
 * @param first runs before that
 * @throws MachineNotFound, Locked, MachineDamaged
 */
export async function changeMachine<T>(
  context: EngineContext,
  reference: string,
  operation: string,
  change: (machine: OpenMachine) => Promise<T>,
  first?: (folder: MachineFolder) => Promise<void>,
): Promise<T> {
  const folder = await findMachine(context, reference);
  if (first !== undefined) {
    await lockAll(context, [{ folder }], operation, () => first(folder));
  }
  return changeAll(context, [folder], operation, ([machine]) => {
    if (machine === undefined) {
      throw new Error('The machine was not opened.');
    }
    return change(machine);
  });
}

/**
 * As {@link changeMachine} for several at once. Locks are taken in one order.
 * @param change gets them in the order of their names
 */
export async function changeAll<T>(
  context: EngineContext,
  folders: readonly MachineFolder[],
  operation: string,
  change: (machines: OpenMachine[]) => Promise<T>,
): Promise<T> {
  const machines = (): Promise<MachineFolder[]> => machineFolders(context);
  const places = folders.map((folder) => ({ folder }));
  for (;;) {
    await endGroups(context, machines, folders);
    const changed = await lockAll(context, places, operation, async (locked) => {
      for (const folder of locked) {
        // An engine may have died between our look and our lock.
        if (await isInGroup(context, machines, folder)) {
          return undefined;
        }
      }
      const open: OpenMachine[] = [];
      for (const folder of locked) {
        open.push(await openLocked(context, folder, machines));
      }
      const value = await change(open);
      for (const folder of locked) {
        await folder.keepReserve();
      }
      return { value };
    });
    if (changed !== undefined) {
      return changed.value;
    }
  }
}

/** @throws NameInUse, InvalidName */
export async function freeName(context: EngineContext, wanted: string): Promise<string> {
  const name = machineName(wanted);
  const taken = (await machineFolders(context)).map((folder) => path.basename(folder.path));
  // Two names that differ only in case, or in how a letter is composed, would be one folder on Windows and macOS.
  const folded = (one: string): string => one.normalize('NFC').toLowerCase();
  if (taken.some((other) => folded(other) === folded(name))) {
    throw new CheckpointError('NameInUse', `There is already a machine “${name}”. Choose another name.`, { name });
  }
  return name;
}

/** Moves a finished folder to its name. @throws NameInUse */
export async function claimName(name: string, move: () => Promise<void>): Promise<void> {
  try {
    await move();
  } catch (error) {
    if (['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EPERM'].includes(systemCode(error) ?? '')) {
      throw new CheckpointError('NameInUse', `There is already a machine “${name}”. Choose another name.`, { name });
    }
    throw error;
  }
}
