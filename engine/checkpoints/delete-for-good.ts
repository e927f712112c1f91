import type { Checkpoint } from '../model/checkpoint.ts';
import { deleteCheckpoints } from './delete.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { readMachine, type OpenMachine } from './locked-machine.ts';
import { tidy } from './tidy.ts';
import { discardTrash } from './trash.ts';

export interface Purged {
  freedBytes: number;
  movedBytes: number;
}

/** Deletes checkpoints past the trash, parents before what hangs from them, and merges away the layers that nobody needs then. */
export async function deleteForGood(
  context: EngineContext,
  machine: OpenMachine,
  checkpoints: readonly Checkpoint[],
  call: Call = {},
): Promise<Purged> {
  if (checkpoints.length > 0) {
    await deleteCheckpoints(machine, checkpoints);
  }
  return discardForGood(context, machine, new Set(checkpoints.map(({ id }) => id)), call);
}

/** Takes those of some checkpoints that are in the trash out of it for good, and merges away the layers that nobody needs then. */
export async function discardForGood(
  context: EngineContext,
  machine: OpenMachine,
  ids: ReadonlySet<string>,
  call: Call,
): Promise<Purged> {
  const records = await readMachine(machine.folder);
  const discarded = records.trash.filter(({ checkpoint }) => ids.has(checkpoint.id));
  const freedBytes = discarded.length === 0 ? 0 : await discardTrash({ ...machine, records }, discarded);
  const tidied = await tidy(context, machine, call);
  return { freedBytes: freedBytes + tidied.freedBytes, movedBytes: tidied.movedBytes };
}
