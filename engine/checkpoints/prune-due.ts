import type { Checkpoint } from '../model/checkpoint.ts';
import { dueWhenAwake, type DueCheckpoint } from '../model/due-when-awake.ts';
import { anythingCounts } from '../model/kept-by-count.ts';
import { readClocks, readDue, writeDue } from '../store/due-record.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { readPolicy } from '../store/policy-record.ts';
import type { Pruning } from './prune.ts';

/**
 * Which of what is due goes without anybody asking; see `due-when-awake.ts`. What is noticed for the first time is put on
 * record, in a machine that has anything that ever becomes due.
 * @returns ids of checkpoints, in the tree and in the trash
 */
export async function chooseDue(
  folder: MachineFolder,
  records: MachineRecords,
  pruning: Pruning,
  at: Date,
): Promise<ReadonlySet<string>> {
  const due = dueOf(records, pruning);
  const mayExpire = records.checkpoints.some(({ expires }) => expires !== undefined) || records.trash.length > 0;
  if (!mayExpire && due.length === 0) {
    return new Set();
  }
  const { go, record } = dueWhenAwake(due, await readDue(folder.path), readClocks(at));
  await writeDue(folder.path, record);
  return withoutBuiltOn(new Set(go), records, pruning);
}

/** Whether it is worth a closer look, by the records alone. */
export async function mayBeDue(folder: MachineFolder, { checkpoints }: MachineRecords, at: Date): Promise<boolean> {
  const policy = await readPolicy(folder.path);
  const isOver = ({ expires }: Checkpoint): boolean => expires !== undefined && Date.parse(expires) <= at.getTime();
  return policy.maxBytes !== undefined || anythingCounts(policy) || checkpoints.some(isOver);
}

/** Oldest first; what does not go by the clock before all that does. */
function dueOf(records: MachineRecords, { plan, trash }: Pruning): DueCheckpoint[] {
  const expiresOf = new Map(records.checkpoints.map(({ id, expires }) => [id, expires]));
  const byRules = plan.deleted.filter(({ rule }) => rule !== 'expired').map(({ id }) => ({ id }));
  const expired = plan.deleted.flatMap(({ id, rule, created }) =>
    rule === 'expired' ? [{ id, since: expiresOf.get(id) ?? created }] : [],
  );
  const trashed = trash.map(({ checkpoint, expires }) => ({ id: checkpoint.id, since: expires }));
  const byClock = [...expired, ...trashed].sort((a, b) => Date.parse(a.since) - Date.parse(b.since));
  return [...byRules, ...byClock];
}

/** One that expired waits for what hangs from it, which the plan has before it. */
function withoutBuiltOn(go: ReadonlySet<string>, { checkpoints }: MachineRecords, { plan }: Pruning): Set<string> {
  const left = new Set(go);
  for (const { id, rule } of plan.deleted) {
    if (rule === 'expired' && checkpoints.some((one) => one.parent === id && !left.has(one.id))) {
      left.delete(id);
    }
  }
  return left;
}
