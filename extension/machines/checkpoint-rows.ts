/**
 * How the checkpoints of a machine and Now are drawn, made from their `parent` members.
 *
 * A tree that indents every checkpoint under its parent cannot be read after a dozen of them. So rows at one level are
 * either a run, in which each checkpoint grew from the one above it, or the branches of the checkpoint that they are
 * indented under, each with all that grew from it beneath itself. Now is always indented under the checkpoint that it
 * grew from: last among branches, and first where a run goes on. It never makes a branch, so that rows keep their places
 * when it moves.
 */
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';

export type CheckpointRow =
  | {
      kind: 'checkpoint';
      checkpoint: CheckpointInfo;
      /** Absent for a root. The indentation does not tell, because it may be the row above. */
      parent?: CheckpointInfo;
      /** What is indented under it. */
      rows: CheckpointRow[];
    }
  | {
      /** A guarded command, where nothing but its own two checkpoints grew from the first of them: one step. */
      kind: 'guard';
      before: CheckpointInfo;
      /** Both checkpoints. */
      rows: CheckpointRow[];
    }
  | { kind: 'now' };

const now: CheckpointRow = { kind: 'now' };

/** A checkpoint whose parent is not there is a root: what the engine lists is shown, never hidden. */
export function checkpointRows({
  checkpoints,
  now: { parent },
}: Pick<MachineInfo, 'checkpoints' | 'now'>): CheckpointRow[] {
  const byId = new Map(checkpoints.map((checkpoint) => [checkpoint.id, checkpoint]));
  const children = new Map<CheckpointInfo | undefined, CheckpointInfo[]>();
  for (const checkpoint of checkpoints) {
    const above = parentIn(byId, checkpoint);
    children.set(above, [...(children.get(above) ?? []), checkpoint]);
  }
  const nowParent = parent === undefined ? undefined : byId.get(parent);

  const onlyChild = (checkpoint: CheckpointInfo | undefined): CheckpointInfo | undefined => {
    const [child, ...others] = children.get(checkpoint) ?? [];
    return others.length === 0 ? child : undefined;
  };
  const row = (checkpoint: CheckpointInfo, rows: CheckpointRow[]): CheckpointRow => {
    const above = parentIn(byId, checkpoint);
    return { kind: 'checkpoint', checkpoint, ...(above === undefined ? {} : { parent: above }), rows };
  };
  const nowOf = (checkpoint: CheckpointInfo | undefined): CheckpointRow[] => (checkpoint === nowParent ? [now] : []);

  /** Everything that grew from a checkpoint, indented under it, or everything there is. */
  const under = (checkpoint: CheckpointInfo | undefined): CheckpointRow[] => {
    const only = onlyChild(checkpoint);
    if (only !== undefined) {
      return [...nowOf(checkpoint), ...run(only)];
    }
    const branches = children.get(checkpoint) ?? [];
    return [...branches.map((branch) => row(branch, under(branch))), ...nowOf(checkpoint)];
  };
  const run = (first: CheckpointInfo): CheckpointRow[] => {
    const line = [first];
    for (let next = onlyChild(first); next !== undefined; next = onlyChild(next)) {
      line.push(next);
    }
    const last = line.at(-1);
    const rowOf = (checkpoint: CheckpointInfo): CheckpointRow =>
      row(checkpoint, checkpoint === last ? under(checkpoint) : nowOf(checkpoint));
    const isAfter = (checkpoint: CheckpointInfo | undefined, before: CheckpointInfo | undefined): boolean =>
      before?.guard !== undefined && before !== nowParent && checkpoint?.guardOf === before.id;
    return line.flatMap((checkpoint, at): CheckpointRow[] => {
      const next = line[at + 1];
      if (isAfter(checkpoint, line[at - 1])) {
        return [];
      }
      return next !== undefined && isAfter(next, checkpoint)
        ? [{ kind: 'guard', before: checkpoint, rows: [rowOf(checkpoint), rowOf(next)] }]
        : [rowOf(checkpoint)];
    });
  };
  return under(undefined);
}

function parentIn(byId: ReadonlyMap<string, CheckpointInfo>, { parent }: CheckpointInfo): CheckpointInfo | undefined {
  return parent === undefined ? undefined : byId.get(parent);
}
