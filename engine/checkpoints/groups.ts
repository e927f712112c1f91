import { randomUUID } from 'node:crypto';
import type { Checkpoint } from '../model/checkpoint.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { checkpointName, defaultCheckpointName } from '../model/names.ts';
import { byCreation, findCheckpoint } from '../model/tree.ts';
import type { GroupOperations } from '../protocol/groups.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { apply } from './apply.ts';
import { deleteForGood } from './delete-for-good.ts';
import { deleteCheckpoints } from './delete.ts';
import { hostOf, type Call, type EngineContext } from './engine-context.ts';
import { readMachine, type OpenMachine } from './locked-machine.ts';
import { machineFolders } from './open-machine.ts';
import { take } from './take.ts';
import { findTrashed, restoreFromTrash } from './trash.ts';

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
        group.members.push({ folder, machine: records?.definition.name ?? '', checkpoint });
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
    throw new CheckpointError('CheckpointNotFound', `There is no group “${reference}”. See them: ckpt group list.`, {
      group: reference,
    });
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

/** Takes a checkpoint of each machine, or of none. @returns the group's id */
export async function takeGroup(
  context: EngineContext,
  machines: readonly OpenMachine[],
  options: Omit<GroupOperations['groupTake']['params'], 'machines'>,
  call: Call,
): Promise<string> {
  const group = randomUUID();
  const name = options.name === undefined ? defaultCheckpointName(new Date()) : checkpointName(options.name);
  await onAll(context, machines, async (machine) => {
    const isUp = machine.presence.state !== 'stopped';
    const checkpoint = await take(
      context,
      machine,
      {
        name,
        group,
        ...(options.notes === undefined ? {} : { notes: options.notes }),
        ...(isUp && options.memory !== undefined ? { memory: options.memory } : {}),
      },
      call,
    );
    return async (changed) => {
      await deleteForGood(context, changed, [checkpoint]);
    };
  });
  return group;
}

/** Applies the checkpoint of each machine, or of none. What each Now was is kept. */
export async function applyGroup(
  context: EngineContext,
  machines: readonly OpenMachine[],
  group: Group,
  options: { disksOnly?: boolean },
  call: Call,
): Promise<void> {
  await onAll(context, machines, async (machine) => {
    const { kept } = await apply(context, machine, memberOf(group, machine), 'apply', options, call);
    return async (changed) => {
      if (kept !== undefined) {
        await apply(context, changed, kept, 'undo', { discardNow: true }, {});
      }
    };
  });
}

/** Moves the checkpoint of each machine to the trash, or that of none. */
export async function deleteGroup(
  context: EngineContext,
  machines: readonly OpenMachine[],
  group: Group,
): Promise<void> {
  await onAll(context, machines, async (machine) => {
    const checkpoint = memberOf(group, machine);
    await deleteCheckpoints(machine, [checkpoint]);
    return async (changed) => {
      await restoreFromTrash(changed, findTrashed(changed.records, checkpoint.id));
    };
  });
}

/** As it is now that the machine is locked. @throws CheckpointNotFound */
function memberOf({ members }: Group, { folder, records }: OpenMachine): Checkpoint {
  const member = members.find((one) => one.folder.path === folder.path);
  return findCheckpoint({ machine: records.definition.name, ...records }, member?.checkpoint.id ?? '');
}

type Undo = (changed: OpenMachine) => Promise<void>;

/** Changes one machine after the other; when one fails, those before it are undone, and the error names it. */
async function onAll(
  context: EngineContext,
  machines: readonly OpenMachine[],
  change: (machine: OpenMachine) => Promise<Undo>,
): Promise<void> {
  const changed: { folder: MachineFolder; undo: Undo }[] = [];
  for (const machine of machines) {
    try {
      changed.push({ folder: machine.folder, undo: await change(machine) });
    } catch (error) {
      const left: string[] = [];
      for (const { folder, undo } of changed.toReversed()) {
        try {
          await undo(await openAgain(context, folder));
        } catch (failure) {
          left.push(folder.path);
          context.log.error(`Machine ${folder.path} could not be brought back: ${String(failure)}`);
        }
      }
      throw naming(machine, error, left);
    }
  }
}

async function openAgain(context: EngineContext, folder: MachineFolder): Promise<OpenMachine> {
  const records = await readMachine(folder);
  return { folder, records, presence: await hostOf(context, records.definition).look(folder) };
}

function naming({ records }: OpenMachine, error: unknown, left: readonly string[]): unknown {
  if (!(error instanceof CheckpointError)) {
    return error;
  }
  const { name } = records.definition;
  const outcome =
    left.length === 0
      ? 'The other machines of the group are as before.'
      : `These could not be brought back, see the log: ${left.join(', ')}.`;
  return new CheckpointError(
    error.code,
    `Machine “${name}”: ${error.message} ${outcome}`,
    { ...error.data, machine: name, ...(left.length === 0 ? {} : { left }) },
    { cause: error },
  );
}
