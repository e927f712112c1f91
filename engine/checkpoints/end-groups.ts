import path from 'node:path';
import { toWireError } from '../model/checkpoint-error.ts';
import { lockHolder } from '../store/file-lock.ts';
import { GroupJournal } from '../store/group-journal.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import type { GroupMemberRecord, GroupRecord } from '../store/records.ts';
import type { EngineContext } from './engine-context.ts';
import { finishDelete, isDone, takeBack } from './group-steps.ts';
import { lockAll } from './lock-all.ts';
import type { OpenMachine } from './locked-machine.ts';
import { lookAgain, openLocked } from './open-locked.ts';
import { recover } from './recover.ts';

type Machines = () => Promise<MachineFolder[]>;

/** A machine of a group; absent when it is no more. */
interface Place {
  member: GroupMemberRecord;
  folder?: MachineFolder;
}

/**
 * Ends what an engine left that died while it changed several machines together: it has then happened to all of them, or
 * to none. One that cannot be changed now is settled later; the others are free.
 * @param concerned only groups that one of these machines is in
 * @throws Locked while another engine changes one of the machines; what keeps a machine from being settled
 */
export async function endGroups(
  context: EngineContext,
  machines: Machines,
  concerned: readonly MachineFolder[],
): Promise<void> {
  for (const { group, places } of await groupsOf(context, machines, concerned)) {
    try {
      await lockAll(context, places, 'recover', () => endGroup(context, group.id, places, machines));
    } catch (error) {
      if ((await groupsOf(context, machines, concerned)).some((one) => one.group.id === group.id)) {
        throw error;
      }
    }
  }
}

/** As {@link endGroups} for all groups that nobody is at work on, but what does not succeed is only logged, and added to `failed`. */
export async function endForsakenGroups(
  context: EngineContext,
  machines: Machines,
  failed: Set<string>,
): Promise<void> {
  const journal = new GroupJournal(context.home);
  if (journal.ids().length === 0) {
    return;
  }
  await journal.sweep(new Date());
  for (const { group, places } of await groupsOf(context, machines, undefined)) {
    const holders = await Promise.all(places.map(async ({ folder }) => folder && lockHolder(folder.lock)));
    if (failed.has(group.id) || holders.some((holder) => holder !== undefined)) {
      continue;
    }
    try {
      await lockAll(context, places, 'recover', () => endGroup(context, group.id, places, machines));
    } catch (error) {
      failed.add(group.id);
      context.log.error(`The ${group.operation} of group ${group.id} could not be ended: ${String(error)}`);
    }
  }
}

/** True while a machine belongs to a group that is not settled. To be asked with the machine locked. */
export async function isInGroup(context: EngineContext, machines: Machines, folder: MachineFolder): Promise<boolean> {
  return (await groupsOf(context, machines, [folder])).length > 0;
}

/**
 * With all machines locked and open: makes the group's change have happened to all, or to none.
 * @param machines by the names that the record gives them
 * @param isAtOnce nobody can have used a machine since it was changed
 * @returns machines that could not be settled, with the reasons; they stay in the journal
 */
export async function settle(
  context: EngineContext,
  group: GroupRecord,
  machines: ReadonlyMap<string, MachineFolder>,
  isAtOnce: boolean,
): Promise<{ member: GroupMemberRecord; error: unknown }[]> {
  const left: { member: GroupMemberRecord; error: unknown }[] = [];
  for (const member of group.members.toReversed()) {
    const folder = machines.get(member.name);
    try {
      if (folder !== undefined) {
        // What failed on it may have left something to be ended.
        await recover(context, folder);
        const machine = await lookAgain(context, folder);
        if (group.direction === 'back') {
          await takeBack(context, group, member, machine, isAtOnce);
        } else if (!isDone(group, member, machine.records)) {
          await finishDelete(context, member, machine);
        }
      }
    } catch (error) {
      left.push({ member, error });
      context.log.error(`Machine “${member.name}” of group ${group.id} could not be settled: ${String(error)}`);
    }
  }
  const journal = new GroupJournal(context.home);
  if (left.length === 0) {
    await journal.remove(group.id);
  } else if (left.length < group.members.length) {
    await journal.write({ ...group, members: left.map(({ member }) => member) });
  }
  return left;
}

async function endGroup(
  context: EngineContext,
  id: string,
  places: readonly Place[],
  machines: Machines,
): Promise<void> {
  // Another engine may have been first.
  const group = await new GroupJournal(context.home).read(id);
  if (group === undefined) {
    return;
  }
  context.log.info(`Ending an interrupted ${group.operation} of group ${id}.`);
  const folders = new Map<string, MachineFolder>();
  const opened: { member: GroupMemberRecord; machine?: OpenMachine }[] = [];
  for (const { member, folder } of places) {
    if (folder !== undefined) {
      folders.set(member.name, folder);
      const machine = await openLocked(context, folder, machines).catch(() => undefined);
      opened.push({ member, ...(machine === undefined ? {} : { machine }) });
    }
  }
  const isComplete = opened.every(
    ({ member, machine }) => machine !== undefined && isDone(group, member, machine.records),
  );
  if (group.direction === 'forward' && isComplete) {
    await new GroupJournal(context.home).remove(id);
    return;
  }
  const direction = group.operation === 'delete' ? group.direction : 'back';
  const [first] = await settle(context, { ...group, direction }, folders, false);
  if (first !== undefined) {
    throw first.error;
  }
}

/** Groups that are not settled, with where their machines are. One whose record cannot be believed is logged. */
async function groupsOf(
  context: EngineContext,
  machines: Machines,
  concerned: readonly MachineFolder[] | undefined,
): Promise<{ group: GroupRecord; places: Place[] }[]> {
  const journal = new GroupJournal(context.home);
  const ids = journal.ids();
  if (ids.length === 0) {
    return [];
  }
  const known = await Promise.all(
    (await machines()).map(async (folder) => ({
      folder,
      name: path.basename(folder.path),
      id: (await folder.read().catch(() => undefined))?.definition.id,
    })),
  );
  const found: { group: GroupRecord; places: Place[] }[] = [];
  for (const id of ids) {
    const group = await journal.read(id).catch((error: unknown) => {
      context.log.error(`Group ${id}: ${toWireError(error).message}`);
      return undefined;
    });
    const places = (group?.members ?? []).map((member): Place => {
      // By its name first: a copied folder has the same id.
      const own =
        known.find((one) => one.name === member.name && (one.id === undefined || one.id === member.machine)) ??
        known.find((one) => one.id === member.machine);
      return { member, ...(own === undefined ? {} : { folder: own.folder }) };
    });
    const isConcerned =
      concerned === undefined ||
      places.some(({ folder }) => concerned.some((one) => folder !== undefined && one.path === folder.path));
    if (group !== undefined && isConcerned) {
      found.push({ group, places });
    }
  }
  return found;
}
