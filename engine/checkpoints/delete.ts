import type { Checkpoint, TrashedCheckpoint } from '../model/checkpoint.ts';
import { planDelete, trashedCheckpoint, type DeletePlan } from '../model/tree.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';
import { carryOut, orLeft } from './carry-out.ts';
import type { EngineContext } from './engine-context.ts';
import type { OpenMachine } from './locked-machine.ts';
import { takeBack } from './take-back.ts';

/** How long a deleted checkpoint can be restored. */
export const keptInTrashMs = 24 * 60 * 60 * 1000;

/** What a delete will do: the trash's records, and what is written again; see `planDelete`. */
export interface DeleteDecision extends DeletePlan {
  trashed: TrashedCheckpoint[];
}

/** Decides what a delete does; changes nothing. */
export function decideDelete(records: MachineRecords, deleted: readonly Checkpoint[], at: Date): DeleteDecision {
  const tree = { machine: records.definition.name, ...records };
  return {
    trashed: deleted.map((checkpoint) => trashedCheckpoint(checkpoint, at, keptInTrashMs)),
    ...planDelete(tree, deleted),
  };
}

/**
 * Moves checkpoints to the trash. What hangs from one hangs from the nearest ancestor that stays. No disk is touched:
 * that is for `discardTrash` to do.
 */
export async function deleteCheckpoints(
  context: EngineContext,
  machine: OpenMachine,
  deleted: readonly Checkpoint[],
): Promise<void> {
  const { folder, records } = machine;
  machine.about.push(...deleted.map(({ name }) => name));
  const journal = deleteJournal(records, deleted);
  const ids = deleted.map(({ id }) => id);
  await orLeft(context, undefined, () =>
    carryOut(
      folder,
      journal,
      () => executeDelete(folder, records, journal),
      () => takeBack(folder, records, ids),
    ),
  );
}

/** What is to become of checkpoints that are deleted. */
export function deleteJournal(records: MachineRecords, deleted: readonly Checkpoint[]): Omit<JournalRecord, 'version'> {
  const at = new Date();
  return {
    operation: 'delete',
    started: at.toISOString(),
    after: records.now,
    reusesLayers: false,
    wasRunning: false,
    runsAfterwards: false,
    releasedLayers: [],
    trashed: decideDelete(records, deleted, at).trashed,
  };
}

/** Carries out a journalled delete, from whichever step it got to. */
export async function executeDelete(
  folder: MachineFolder,
  records: MachineRecords,
  journal: Pick<JournalRecord, 'trashed'>,
): Promise<void> {
  const trashed: TrashedCheckpoint[] = journal.trashed ?? [];
  for (const one of trashed) {
    await folder.writeTrashed(one);
  }
  const deleted = trashed.map(({ checkpoint }) => checkpoint);
  const plan = planDelete({ machine: records.definition.name, ...records }, deleted);
  for (const checkpoint of plan.reparented) {
    await folder.writeCheckpoint(checkpoint);
  }
  if (plan.now !== undefined) {
    await folder.writeNow(plan.now);
  }
  // From the bottom up: no checkpoint is there without its parent at any instant.
  for (const { id } of deleted.toReversed()) {
    await folder.removeCheckpoint(id);
  }
}
