import path from 'node:path';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { errorSaying, quoted, say } from '../model/sayings.ts';
import type { Sentence } from '../protocol/sentences.ts';
import { machineName } from '../model/names.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { requireUnlocked } from '../store/machine-lock.ts';
import { keepReserve } from '../store/space-reserve.ts';
import { livingClones } from './clone-records.ts';
import { endGroups, isInGroup } from './end-groups.ts';
import { hostOf, type EngineContext } from './engine-context.ts';
import { lockAll } from './lock-all.ts';
import { readMachine, type OpenMachine } from './locked-machine.ts';
import { machineFolders } from './machine-folders.ts';
import { openLocked } from './open-locked.ts';
import { runningSeconds, sightMachine } from './running-times.ts';
import { whileStoodIn } from './standing-still.ts';
import { withHistory } from './with-history.ts';

/**
 * Finds a machine by name or id.
 * @throws MachineNotFound; AmbiguousName when several have the id
 */
export async function findMachine(context: EngineContext, reference: string): Promise<MachineFolder> {
  const folders = await machineFolders(context);
  const wanted = reference.normalize('NFC').trim();
  const named = folders.find((folder) => path.basename(folder.path).normalize('NFC') === wanted);
  if (named !== undefined) {
    return named;
  }
  if (/^[0-9a-f-]{36}$/.test(wanted)) {
    const ids = await Promise.all(folders.map((folder) => idOf(folder)));
    const [found, ...others] = folders.filter((_, at) => ids[at] === wanted);
    if (found !== undefined && others.length > 0) {
      throw sameIdError(wanted, [found, ...others]);
    }
    if (found !== undefined) {
      return found;
    }
  }
  throw new CheckpointError(
    'MachineNotFound',
    `There is no machine “${shorten(reference)}”. List the machines to see their names.`,
    { machine: reference },
  );
}

/** A job finds its machine by its id. @throws AmbiguousName when another machine has it too */
export async function requireOwnId(context: EngineContext, id: string): Promise<void> {
  await findMachine(context, id);
}

/** A machine that cannot be read has none. */
async function idOf(folder: MachineFolder): Promise<string | undefined> {
  return (await folder.read().catch(() => undefined))?.definition.id;
}

function sameIdError(id: string, folders: readonly MachineFolder[]): CheckpointError {
  const machines = folders.map((folder) => path.basename(folder.path));
  const facts = { machine: id, folders: folders.map((folder) => folder.path) };
  return errorSaying('AmbiguousName', facts, ...saySameId(id, machines));
}

/** What is wrong when several machines have one id, and the way out. @param machines their names */
export function saySameId(id: string, machines: readonly string[]): Sentence[] {
  const [first, ...others] = quoted(machines);
  const named = others.reduce((before, one) => before && say('pair', { first: before, second: one }), first);
  return [say('haveSameId', { machines: named ?? '', id }), say('giveOwnId')];
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
      const value = await whileStoodIn(context, open, operation, () =>
        withHistory(context, open, operation, () => change(open)),
      );
      locked.forEach((folder) => context.changed.add(path.basename(folder.path)));
      for (const machine of open) {
        await noteAfterwards(context, machine);
      }
      for (const folder of locked) {
        await keepReserve(folder.path);
      }
      return { value };
    });
    if (changed !== undefined) {
      return changed.value;
    }
  }
}

/** Whether it runs may have changed; a machine without a process need not be asked. */
async function noteAfterwards(context: EngineContext, { folder, records, presence }: OpenMachine): Promise<void> {
  const wasUp = presence.state !== 'stopped';
  if (wasUp || (await folder.processes.read('current').catch(() => undefined)) !== undefined) {
    await sightMachine(context, folder, () => hostOf(context, records.definition).look(folder));
  }
}

/** A machine that is only looked at. */
export interface SeenMachine extends OpenMachine {
  /** What an engine that died left, and the next change ends first. */
  interrupted?: string;
}

/**
 * Looks at a machine as {@link changeMachine} would find it. Changes nothing, and waits for nobody but whoever changes it.
 * @throws MachineNotFound, Locked, MachineDamaged
 */
export async function seeMachine(context: EngineContext, reference: string): Promise<SeenMachine> {
  const folder = await findMachine(context, reference);
  await requireUnlocked(folder.lock, `Machine “${path.basename(folder.path)}”`);
  const machines = (): Promise<MachineFolder[]> => machineFolders(context);
  const journal = await folder.readJournal();
  const isOfGroup = await isInGroup(context, machines, folder);
  const interrupted = isOfGroup ? 'change of a group' : journal?.operation;
  const records = await readMachine(folder);
  const presence = await hostOf(context, records.definition).look(folder);
  return {
    folder,
    records: { ...records, clones: await livingClones(folder, records, machines) },
    presence,
    runningSeconds: await runningSeconds(folder, records),
    about: [],
    ...(interrupted === undefined ? {} : { interrupted }),
  };
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
