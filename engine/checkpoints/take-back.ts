import { isDeepStrictEqual } from 'node:util';
import { parentsFirst } from '../model/tree.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';

/**
 * Makes the tree and the trash as they were before a delete or a restore, whichever step that got to. No checkpoint is there
 * without its parent at any instant, and what has not changed is not written: the volume may be full.
 * @param involved ids of the checkpoints that went to the trash, or out of it
 */
export async function takeBack(
  folder: MachineFolder,
  before: MachineRecords,
  involved: readonly string[],
): Promise<void> {
  const { checkpoints, now } = await folder.read();
  for (const trashed of before.trash) {
    if (involved.includes(trashed.checkpoint.id) && !(await folder.isTrashed(trashed.checkpoint.id))) {
      await folder.writeTrashed(trashed);
    }
  }
  const found = new Map(checkpoints.map((one) => [one.id, one]));
  for (const checkpoint of parentsFirst(before.checkpoints)) {
    if (!isDeepStrictEqual(found.get(checkpoint.id), checkpoint)) {
      await folder.writeCheckpoint(checkpoint);
    }
  }
  if (!isDeepStrictEqual(now, before.now)) {
    await folder.writeNow(before.now);
  }
  const known = new Set(before.checkpoints.map(({ id }) => id));
  for (const { id } of checkpoints.filter((one) => !known.has(one.id))) {
    await folder.removeCheckpoint(id);
  }
  const wasInTrash = new Set(before.trash.map(({ checkpoint }) => checkpoint.id));
  for (const id of involved.filter((one) => !wasInTrash.has(one))) {
    await folder.removeTrashed(id);
  }
}
