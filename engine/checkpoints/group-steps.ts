import { isDeepStrictEqual } from 'node:util';
import { openChain } from '../disks/open-chain.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { isLeaf, sameLayers, withParent } from '../model/tree.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineRecords } from '../store/machine-folder.ts';
import type { GroupMemberRecord, GroupRecord } from '../store/records.ts';
import { apply } from './apply.ts';
import { isCloned } from './clone-records.ts';
import { deleteForGood, discardForGood } from './delete-for-good.ts';
import { deleteCheckpoints } from './delete.ts';
import type { EngineContext } from './engine-context.ts';
import type { OpenMachine } from './locked-machine.ts';
import { lookAgain } from './open-locked.ts';
import { allowed } from './tidy.ts';
import { findTrashed, restoreFromTrash } from './trash.ts';

/** True when a group's change has happened to a machine. */
export function isDone(group: GroupRecord, member: GroupMemberRecord, records: MachineRecords): boolean {
  switch (group.operation) {
    case 'take':
      return takenIn(group, records) !== undefined;
    case 'apply':
      return keptIn(member, records) !== undefined;
    case 'delete':
      return !records.checkpoints.some(({ id }) => id === member.checkpoint);
  }
}

/** Makes a delete happen that has not. What is taken or applied later than on the other machines would not be of one instant. */
export async function finishDelete(
  context: EngineContext,
  member: GroupMemberRecord,
  machine: OpenMachine,
): Promise<void> {
  await deleteCheckpoints(
    context,
    machine,
    machine.records.checkpoints.filter(({ id }) => id === member.checkpoint),
  );
}

/**
 * Takes a group's change back from one machine; safe to repeat, and nothing to do where it has not happened.
 * @param isAtOnce nobody can have used the machine since; otherwise what its Now has come to be stays, as a checkpoint
 */
export async function takeBack(
  context: EngineContext,
  group: GroupRecord,
  member: GroupMemberRecord,
  machine: OpenMachine,
  isAtOnce: boolean,
): Promise<void> {
  switch (group.operation) {
    case 'take':
      return takeBackTake(context, group, member, machine);
    case 'apply':
      return takeBackApply(context, member, machine, isAtOnce);
    case 'delete':
      return takeBackDelete(context, member, machine);
  }
}

async function takeBackTake(
  context: EngineContext,
  group: GroupRecord,
  member: GroupMemberRecord,
  machine: OpenMachine,
): Promise<void> {
  const { folder, records } = machine;
  const taken = takenIn(group, records);
  const trashed = records.trash.filter(({ checkpoint }) => checkpoint.group === group.id);
  if (taken !== undefined) {
    const under = withParent(records.now, undefined);
    const isAlone =
      isLeaf({ machine: '', checkpoints: records.checkpoints, now: under }, taken.id) &&
      !isCloned(records.clones, taken.layers);
    if (isAlone && machine.presence.state === 'stopped' && (await isUntouched(records, folder))) {
      // Its layers are Now's again, as in an undo of something that was kept.
      const { before } = member;
      const kept = { ...taken, expires: taken.created, ...(before.undo === undefined ? {} : { undo: before.undo }) };
      const free = { ...machine, records: { ...records, now: under } };
      await apply(context, free, kept, 'undo', { discardNow: true }, {});
    } else {
      await deleteForGood(context, machine, [taken]);
    }
  } else if (trashed.length > 0) {
    await discardForGood(context, machine, new Set(trashed.map(({ checkpoint }) => checkpoint.id)), {});
  }
  await bringPointersBack(member, await lookAgain(context, folder));
}

async function takeBackApply(
  context: EngineContext,
  member: GroupMemberRecord,
  machine: OpenMachine,
  isAtOnce: boolean,
): Promise<void> {
  const { folder, records, presence } = machine;
  const kept = keptIn(member, records);
  if (kept !== undefined) {
    const discardNow = isAtOnce || (presence.state === 'stopped' && (await isUntouched(records, folder)));
    await apply(context, machine, kept, 'undo', { discardNow }, {});
  }
  await bringPointersBack(member, await lookAgain(context, folder));
}

async function takeBackDelete(context: EngineContext, member: GroupMemberRecord, machine: OpenMachine): Promise<void> {
  const { checkpoint: id } = member;
  if (id !== undefined && machine.records.trash.some(({ checkpoint }) => checkpoint.id === id)) {
    await restoreFromTrash(context, machine, findTrashed(machine.records, id));
  }
}

/** What could be undone and redone before can be again. */
async function bringPointersBack({ before }: GroupMemberRecord, { folder, records }: OpenMachine): Promise<void> {
  const { now } = records;
  // What was kept just now is worth more than what could be redone before.
  const redo = now.redo ?? before.redo;
  const { firmware: _, memory: __, ...pointers } = before;
  const right = {
    ...pointers,
    activeLayers: now.activeLayers,
    // A copy of what it was before, whose folder went with the way back.
    ...(now.firmware === undefined ? {} : { firmware: now.firmware }),
    ...(now.memory === undefined ? {} : { memory: now.memory }),
    ...(redo === undefined ? {} : { redo }),
  };
  if (!isDeepStrictEqual(now, right)) {
    await folder.writeNow(right);
  }
}

function takenIn(group: GroupRecord, { checkpoints }: MachineRecords): Checkpoint | undefined {
  return checkpoints.find((checkpoint) => checkpoint.group === group.id);
}

/** What an apply kept stands on what were Now's layers before. */
function keptIn({ before }: GroupMemberRecord, { checkpoints, now }: MachineRecords): Checkpoint | undefined {
  return sameLayers(now.activeLayers, before.activeLayers)
    ? undefined
    : checkpoints.find(({ layers }) => sameLayers(layers, before.activeLayers));
}

/** True when nothing was written to Now since its layers were made. */
async function isUntouched(records: MachineRecords, folder: OpenMachine['folder']): Promise<boolean> {
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  for (const disk of files.disks) {
    const file = files.fileOf(disk, files.layerOf(records.now.activeLayers, disk));
    const chain = await openChain(file, { format: disk.format ?? 'qcow2', ...allowed(disk) });
    try {
      for await (const { state } of chain.top.extents(0, chain.top.virtualSizeBytes)) {
        if (state !== 'parent') {
          return false;
        }
      }
    } finally {
      await chain.close();
    }
  }
  return true;
}
