/** How the checkpoints of a machine and Now hang from each other, made from their `parent` members. */
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';

export interface CheckpointBranch {
  checkpoint: CheckpointInfo;
  /** True when Now grew from this checkpoint. */
  holdsNow: boolean;
  branches: CheckpointBranch[];
}

export interface CheckpointTree {
  roots: CheckpointBranch[];
  /** True when Now grew from no checkpoint, so that it stands beside the roots. */
  holdsNow: boolean;
}

/** A checkpoint whose parent is not there is a root: what the engine lists is shown, never hidden. */
export function checkpointTree({ checkpoints, now }: Pick<MachineInfo, 'checkpoints' | 'now'>): CheckpointTree {
  const branches = new Map(
    checkpoints.map((checkpoint): [string, CheckpointBranch] => [
      checkpoint.id,
      { checkpoint, holdsNow: checkpoint.id === now.parent, branches: [] },
    ]),
  );
  const roots: CheckpointBranch[] = [];
  for (const branch of branches.values()) {
    const { parent } = branch.checkpoint;
    const siblings = (parent === undefined ? undefined : branches.get(parent)?.branches) ?? roots;
    siblings.push(branch);
  }
  return { roots, holdsNow: now.parent === undefined || !branches.has(now.parent) };
}
