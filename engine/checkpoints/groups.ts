import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { Checkpoint } from '../model/checkpoint.ts';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { checkpointName, defaultCheckpointName } from '../model/names.ts';
import { byCreation, findCheckpoint } from '../model/tree.ts';
import type { GroupOperations, ToldProblem } from '../protocol/groups.ts';
import { GroupJournal } from '../store/group-journal.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import type { GroupRecord } from '../store/records.ts';
import { spendReserve } from '../store/space-reserve.ts';
import { apply } from './apply.ts';
import { deleteCheckpoints } from './delete.ts';
import { settle } from './end-groups.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { readMachine, type OpenMachine } from './locked-machine.ts';
import { machineFolders } from './machine-folders.ts';
import { requireOneKind, take, type TakeOptions } from './take.ts';

/** Checkpoints of several machines that were taken together. */
export interface Group {
  id: string;
  members: { folder: MachineFolder; machine: string; checkpoint: Checkpoint }[];
}

/** All groups, the oldest first. Machines that cannot be read are left out. */
export async function readGroups(context: EngineContext): Promise<Group[]> {
  const groups = new Map<string, Group>();
  for (const folder of await machineFolders(context)) {
    const records = await readMachine(folder).catch(() => undefined);
    for (const checkpoint of byCreation(records?.checkpoints ?? [])) {
      if (checkpoint.group !== undefined) {
        const group = groups.get(checkpoint.group) ?? { id: checkpoint.group, members: [] };
        group.members.push({ folder, machine: path.basename(folder.path), checkpoint });
        groups.set(group.id, group);
      }
    }
  }
  return [...groups.values()].sort((a, b) => Date.parse(createdOf(a)) - Date.parse(createdOf(b)));
}

export function nameOf({ id, members }: Group): string {
  return members[0]?.checkpoint.name ?? id;
}

export function createdOf({ members }: Group): string {
  return members.map(({ checkpoint }) => checkpoint.created).sort()[0] ?? '';
}

/** Finds a group as `findCheckpoint` does a checkpoint. @throws CheckpointNotFound, AmbiguousName */
export async function findGroup(context: EngineContext, reference: string): Promise<Group> {
  const groups = await readGroups(context);
  const wanted = reference.normalize('NFC').trim();
  const named = groups.filter((group) => group.id === reference || nameOf(group) === wanted);
  const found = named.length > 0 || reference.length < 4 ? named : groups.filter(({ id }) => id.startsWith(reference));
  const [first, ...others] = found;
  if (first === undefined) {
    throw new CheckpointError(
      'CheckpointNotFound',
      `There is no group “${reference}” (ckpt group list tells those there are).`,
      {
        group: reference,
      },
    );
  }
  if (others.length > 0) {
    const ids = found.map(({ id }) => id);
    throw new CheckpointError(
      'AmbiguousName',
      `There are ${found.length} groups called “${reference}”. Name the one you mean by its id: ${ids.join(', ')}.`,
      { group: reference, ids },
    );
  }
  return first;
}

export interface TakenGroup {
  id: string;
  /** By name of machine, where there is one; as of a single take. */
  problems: Record<string, ToldProblem>;
}

/** Takes a checkpoint of each machine, or of none. @throws InvalidName, InvalidArgument, and what a take does */
export async function takeGroup(
  context: EngineContext,
  machines: readonly OpenMachine[],
  options: GroupTake,
  call: Call,
): Promise<TakenGroup> {
  const id = randomUUID();
  const named = groupTakeOptions(options);
  const problems: Record<string, ToldProblem> = {};
  await onAll(context, machines, { id, operation: 'take' }, async (machine) => {
    const { problem, problemSentences = [] } = await take(context, machine, takeOfMember(machine, named, id), call);
    if (problem !== undefined) {
      problems[path.basename(machine.folder.path)] = { problem, problemSentences };
    }
  });
  return { id, problems };
}

type GroupTake = Omit<GroupOperations['groupTake']['params'], 'machines'>;

/** The options with one name for all of a group. @throws InvalidName, InvalidArgument */
export function groupTakeOptions(options: GroupTake): GroupTake & { name: string } {
  requireOneKind(options);
  const { name } = options;
  return { ...options, name: name === undefined ? defaultCheckpointName(new Date()) : checkpointName(name) };
}

/** What is asked of one machine when a group is taken. */
export function takeOfMember(
  { presence }: OpenMachine,
  options: GroupTake & { name: string },
  group: string,
): TakeOptions {
  const isUp = presence.state !== 'stopped';
  return {
    name: options.name,
    group,
    ...(options.notes === undefined ? {} : { notes: options.notes }),
    ...(isUp && options.memory !== undefined ? { memory: options.memory } : {}),
    ...(options.kind === undefined ? {} : { kind: options.kind }),
    ...(options.createdBy === undefined ? {} : { createdBy: options.createdBy }),
    ...(options.git === undefined ? {} : { git: options.git }),
  };
}

/** Applies the checkpoint of each machine, or of none. What each Now was is kept. */
export async function applyGroup(
  context: EngineContext,
  machines: readonly OpenMachine[],
  group: Group,
  options: { disksOnly?: boolean },
  call: Call,
): Promise<void> {
  await onAll(context, machines, { id: group.id, operation: 'apply', group }, async (machine) => {
    await apply(context, machine, memberOf(group, machine), 'apply', options, call);
  });
}

/** Moves the checkpoint of each machine to the trash, or that of none. */
export async function deleteGroup(
  context: EngineContext,
  machines: readonly OpenMachine[],
  group: Group,
): Promise<void> {
  await onAll(context, machines, { id: group.id, operation: 'delete', group }, (machine) =>
    deleteCheckpoints(context, machine, [memberOf(group, machine)]),
  );
}

/** As it is now that the machine is locked. @throws CheckpointNotFound */
export function memberOf({ members }: Group, { folder, records }: OpenMachine): Checkpoint {
  const member = members.find((one) => one.folder.path === folder.path);
  return findCheckpoint({ machine: records.definition.name, ...records }, member?.checkpoint.id ?? '');
}

/**
 * Changes one machine after the other, as the journal says; when one fails, those before it are as they were again, and
 * the error names it.
 */
async function onAll(
  context: EngineContext,
  machines: readonly OpenMachine[],
  { id, operation, group }: Pick<GroupRecord, 'id' | 'operation'> & { group?: Group },
  change: (machine: OpenMachine) => Promise<void>,
): Promise<void> {
  const intent: GroupRecord = {
    id,
    operation,
    started: new Date().toISOString(),
    direction: 'forward',
    members: machines.map((machine) => ({
      machine: machine.records.definition.id,
      name: path.basename(machine.folder.path),
      before: machine.records.now,
      ...(group === undefined ? {} : { checkpoint: memberOf(group, machine).id }),
    })),
  };
  try {
    await writeIntent(context, intent, machines);
  } catch (error) {
    // It may have its place all the same.
    await new GroupJournal(context.home).remove(id).catch(() => undefined);
    throw error;
  }
  for (const machine of machines) {
    try {
      await change(machine);
    } catch (error) {
      const left = await changeBack(context, { ...intent, direction: 'back' }, machines);
      if (left.length > 0 && (await goesForward(context, intent))) {
        context.log.error(
          `The ${operation} of group ${id} is left to the next engine, which ends it: ${String(error)}`,
        );
        return;
      }
      throw naming(machine, error, left);
    }
  }
  // Left where it is, it says what is so.
  await new GroupJournal(context.home).remove(id).catch((error: unknown) => {
    context.log.error(`The record of group ${id} is left to the next engine: ${String(error)}`);
  });
}

/** A delete that could neither be ended nor taken back is ended by the next engine, unless its record says otherwise. */
async function goesForward(context: EngineContext, { id, operation }: GroupRecord): Promise<boolean> {
  const record = await new GroupJournal(context.home).read(id).catch(() => undefined);
  return operation === 'delete' && record?.direction === 'forward';
}

/** @returns the machines that are not as before */
async function changeBack(
  context: EngineContext,
  intent: GroupRecord,
  machines: readonly OpenMachine[],
): Promise<string[]> {
  const folders = new Map(machines.map(({ folder }) => [path.basename(folder.path), folder]));
  try {
    // Nobody dies of a full volume: what cannot be written down can still be done.
    await writeIntent(context, intent, machines).catch((error: unknown) => {
      context.log.error(`Group ${intent.id} goes back without a record of it: ${String(error)}`);
    });
    const left = await settle(context, intent, folders, true);
    return left.map(({ member }) => member.name);
  } catch (error) {
    context.log.error(`Group ${intent.id} is left to the next engine: ${String(error)}`);
    return intent.members.map(({ name }) => name);
  }
}

/** On a full volume with the space that machines keep in reserve. */
async function writeIntent(
  context: EngineContext,
  intent: GroupRecord,
  machines: readonly OpenMachine[],
): Promise<void> {
  const journal = new GroupJournal(context.home);
  try {
    await journal.write(intent);
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')) {
      throw error;
    }
    await Promise.all(machines.map(({ folder }) => spendReserve(folder.path)));
    await journal.write(intent);
  }
}

/** The error of one machine of a group, as the group's. @param left machines that could not be brought back */
export function naming({ records }: OpenMachine, error: unknown, left: readonly string[]): unknown {
  if (!(error instanceof CheckpointError)) {
    return error;
  }
  const { name } = records.definition;
  const outcome =
    left.length === 0
      ? 'The machines of the group are as before.'
      : `These are brought back by the next look at them, see the log: ${left.join(', ')}.`;
  return new CheckpointError(
    error.code,
    `Machine “${name}”: ${error.message} ${outcome}`,
    { ...error.data, machine: name, ofGroup: true, ...(left.length === 0 ? {} : { left }) },
    { cause: error },
  );
}
