import type { Checkpoint } from '../model/checkpoint.ts';
import { deleteCheckpoints } from './delete.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { readMachine, type OpenMachine } from './locked-machine.ts';
import { tidy } from './tidy.ts';
import { discardTrash } from './trash.ts';

/** Deletes checkpoints past the trash, and merges away the layers that nobody needs then. */
export async function deleteForGood(
  context: EngineContext,
  machine: OpenMachine,
  checkpoints: readonly Checkpoint[],
  call: Call = {},
): Promise<void> {
  const ids = new Set(checkpoints.map(({ id }) => id));
  await deleteCheckpoints(machine, checkpoints);
  const records = await readMachine(machine.folder);
  const deleted = { ...machine, records };
  await discardTrash(
    deleted,
    records.trash.filter(({ checkpoint }) => ids.has(checkpoint.id)),
  );
  await tidy(context, deleted, call);
}
