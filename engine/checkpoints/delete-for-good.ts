import type { Checkpoint } from '../model/checkpoint.ts';
import { CheckpointError, isAbort, toWireError } from '../model/checkpoint-error.ts';
import { carryOut, orLeft } from './carry-out.ts';
import { deleteJournal, executeDelete } from './delete.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { readMachine, type OpenMachine } from './locked-machine.ts';
import { takeBack } from './take-back.ts';
import { tidy } from './tidy.ts';
import { discardTrash, executeDiscard } from './trash.ts';

export interface Purged {
  freedBytes: number;
  movedBytes: number;
  /** Why layers that nobody needs are still there; they go the next time something of the machine is deleted for good. */
  problem?: string;
}

/**
 * Deletes checkpoints past the trash, parents before what hangs from them, all or none; and merges away the layers that nobody
 * needs then.
 */
export async function deleteForGood(
  context: EngineContext,
  machine: OpenMachine,
  checkpoints: readonly Checkpoint[],
  call: Call = {},
): Promise<Purged> {
  const freedBytes = checkpoints.length === 0 ? 0 : await deletePastTrash(context, machine, checkpoints);
  return withTidying(context, machine, freedBytes, call);
}

/**
 * The same without a merge: their layers are hidden from then on, if anything stands on them.
 * @returns bytes freed
 */
export async function deletePastTrash(
  context: EngineContext,
  { folder, records, about }: OpenMachine,
  checkpoints: readonly Checkpoint[],
): Promise<number> {
  about.push(...checkpoints.map(({ name }) => name));
  const ids = checkpoints.map(({ id }) => id);
  const journal = { ...deleteJournal(records, checkpoints), isForGood: true as const };
  let isInTrash = false;
  return orLeft(context, 0, () =>
    carryOut(
      folder,
      journal,
      async () => {
        if (!isInTrash) {
          await executeDelete(folder, records, journal);
          isInTrash = true;
        }
        return executeDiscard(folder, await folder.read(), journal);
      },
      async () => {
        // What is out of the trash does not come back.
        if (isInTrash) {
          throw new Error('It has happened.');
        }
        await takeBack(folder, records, ids);
      },
    ),
  );
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
  const freedBytes = discarded.length === 0 ? 0 : await discardTrash(context, { ...machine, records }, discarded);
  return withTidying(context, machine, freedBytes, call);
}

/** The checkpoints are gone: that their layers cannot be merged away now does not make that a failure. */
async function withTidying(
  context: EngineContext,
  machine: OpenMachine,
  freedBytes: number,
  call: Call,
): Promise<Purged> {
  try {
    const tidied = await tidy(context, machine, call);
    return { freedBytes: freedBytes + tidied.freedBytes, movedBytes: tidied.movedBytes };
  } catch (error) {
    if (isAbort(error)) {
      throw goneForGood();
    }
    const problem = toWireError(error).message;
    context.log.error(`Machine ${machine.folder.path}: layers could not be merged away: ${problem}`);
    return { freedBytes, movedBytes: 0, problem };
  }
}

/** What is deleted for good does not come back when the work that follows is cancelled. */
export function goneForGood(): CheckpointError {
  return new CheckpointError(
    'Cancelled',
    'Cancelled. The checkpoints were gone already, and do not come back; merging away the layers that nobody needs goes on when something is deleted for good again.',
  );
}
