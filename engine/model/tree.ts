import type { Checkpoint, TrashedCheckpoint } from './checkpoint.ts';
import type { LayerOfDisk, Now } from './machine.ts';
import { CheckpointError } from './checkpoint-error.ts';

/** The tree of one machine: its checkpoints in any order, and Now. */
export interface Tree {
  machine: string;
  checkpoints: readonly Checkpoint[];
  now: Now;
}

/** Oldest first; equal times by id, so that every client lists them alike. */
export function byCreation(checkpoints: readonly Checkpoint[]): Checkpoint[] {
  return [...checkpoints].sort((a, b) =>
    a.created === b.created ? compare(a.id, b.id) : compare(a.created, b.created),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Finds the checkpoint that a user named: by id, by a beginning of the id (4 characters or more), or by name.
 * @throws CheckpointNotFound, AmbiguousName
 */
export function findCheckpoint(tree: Tree, reference: string): Checkpoint {
  const exact = tree.checkpoints.find((checkpoint) => checkpoint.id === reference);
  if (exact !== undefined) {
    return exact;
  }
  const wanted = reference.normalize('NFC').trim();
  const named = tree.checkpoints.filter((checkpoint) => checkpoint.name === wanted);
  const beginning =
    reference.length >= 4 ? tree.checkpoints.filter((checkpoint) => checkpoint.id.startsWith(reference)) : [];
  const found = named.length > 0 ? named : beginning;
  const [first, ...others] = found;
  if (first === undefined) {
    throw new CheckpointError(
      'CheckpointNotFound',
      `Machine “${tree.machine}” has no checkpoint “${reference}”. List its checkpoints to see their names.`,
      { machine: tree.machine, checkpoint: reference },
    );
  }
  if (others.length > 0) {
    const ids = found.map((checkpoint) => checkpoint.id);
    throw new CheckpointError(
      'AmbiguousName',
      `Machine “${tree.machine}” has ${found.length} checkpoints called “${reference}”. Name the one you mean by its id: ${ids.join(', ')}.`,
      { machine: tree.machine, checkpoint: reference, ids },
    );
  }
  return first;
}

/**
 * The checkpoint that Now hangs from.
 * @throws NothingToRevert
 */
export function parentOfNow(tree: Tree): Checkpoint {
  const parent = tree.checkpoints.find((checkpoint) => checkpoint.id === tree.now.parent);
  if (parent === undefined) {
    throw new CheckpointError('NothingToRevert', `Machine “${tree.machine}” has no checkpoint yet. Take one first.`, {
      machine: tree.machine,
    });
  }
  return parent;
}

/**
 * What the last undo kept.
 * @throws NothingToRedo
 */
export function undoneLast(tree: Tree): Checkpoint {
  const undone = tree.checkpoints.find((checkpoint) => checkpoint.id === tree.now.redo);
  if (undone === undefined) {
    throw new CheckpointError(
      'NothingToRedo',
      `Machine “${tree.machine}” has nothing to redo: nothing was undone, or something else was done since.`,
      { machine: tree.machine },
    );
  }
  return undone;
}

/**
 * What the last apply or redo kept.
 * @throws NothingToUndo
 */
export function keptLast(tree: Tree): Checkpoint {
  const kept = tree.checkpoints.find((checkpoint) => checkpoint.id === tree.now.undo);
  if (kept === undefined) {
    throw new CheckpointError(
      'NothingToUndo',
      `Machine “${tree.machine}” has nothing to undo: no apply or revert kept an earlier state that is still there.`,
      { machine: tree.machine },
    );
  }
  return kept;
}

/** True when nothing hangs from a checkpoint: no other checkpoint, and not Now. */
export function isLeaf(tree: Tree, id: string): boolean {
  return tree.now.parent !== id && !tree.checkpoints.some((checkpoint) => checkpoint.parent === id);
}

export interface DeletePlan {
  /** Checkpoints to write again with another parent. */
  reparented: Checkpoint[];
  /** Now as it will be, when it hangs from a deleted checkpoint. */
  now?: Now;
}

/**
 * What deleting checkpoints does to the rest of the tree: what hung from one of them hangs from the nearest ancestor that
 * stays. The same for a tree in which that has been done halfway.
 */
export function planDelete(tree: Tree, deleted: readonly Checkpoint[]): DeletePlan {
  const parents = new Map(deleted.map(({ id, parent }) => [id, parent]));
  const stays = (parent: string | undefined): string | undefined => {
    let id = parent;
    while (id !== undefined && parents.has(id)) {
      id = parents.get(id);
    }
    return id;
  };
  const isAffected = ({ parent }: { parent?: string }): boolean => parent !== undefined && parents.has(parent);
  const reparented = tree.checkpoints
    .filter((checkpoint) => !parents.has(checkpoint.id) && isAffected(checkpoint))
    .map((checkpoint) => withParent(checkpoint, stays(checkpoint.parent)));
  return {
    reparented,
    ...(isAffected(tree.now) ? { now: withParent(tree.now, stays(tree.now.parent)) } : {}),
  };
}

/** A checkpoint and everything that hangs from it, from the top down. */
export function subtreeOf(tree: Tree, top: Checkpoint): Checkpoint[] {
  const found = [top];
  for (const { id } of found) {
    found.push(...tree.checkpoints.filter(({ parent }) => parent === id));
  }
  return found;
}

/** What a delete names, by the references of {@link findCheckpoint}. */
export interface NamedForDelete {
  checkpoint: string;
  also?: readonly string[];
  subtree?: boolean;
}

/**
 * The checkpoints that a delete names, each once, from the top down.
 * @throws CheckpointNotFound, AmbiguousName
 */
export function chosenForDelete(tree: Tree, { checkpoint, also = [], subtree = false }: NamedForDelete): Checkpoint[] {
  const named = [checkpoint, ...also].map((reference) => findCheckpoint(tree, reference));
  const chosen = new Set(subtree ? named.flatMap((top) => subtreeOf(tree, top)) : named);
  return chosen.size === 1 ? [...chosen] : parentsFirst(tree.checkpoints).filter((one) => chosen.has(one));
}

/** All of a tree, each after what it hangs from. */
export function parentsFirst(checkpoints: readonly Checkpoint[]): Checkpoint[] {
  const known = new Set(checkpoints.map(({ id }) => id));
  const children = new Map<string, Checkpoint[]>();
  const found: Checkpoint[] = [];
  for (const checkpoint of checkpoints) {
    const { parent } = checkpoint;
    if (parent === undefined || !known.has(parent)) {
      found.push(checkpoint);
    } else {
      children.set(parent, [...(children.get(parent) ?? []), checkpoint]);
    }
  }
  for (const { id } of found) {
    found.push(...(children.get(id) ?? []));
  }
  return found;
}

/** The trash's record of a checkpoint that is about to be deleted. */
export function trashedCheckpoint(checkpoint: Checkpoint, deleted: Date, keptForMs: number): TrashedCheckpoint {
  return {
    checkpoint,
    deleted: deleted.toISOString(),
    expires: new Date(deleted.getTime() + keptForMs).toISOString(),
  };
}

/** A checkpoint from which the way up never ends, if there is one: then these checkpoints are no tree. */
export function ownAncestor(checkpoints: readonly Checkpoint[]): Checkpoint | undefined {
  const parents = new Map(checkpoints.map((checkpoint) => [checkpoint.id, checkpoint.parent]));
  const ending = new Set<string>();
  return checkpoints.find((checkpoint) => {
    const way = new Set<string>();
    for (let id: string | undefined = checkpoint.id; id !== undefined && !ending.has(id); id = parents.get(id)) {
      if (way.has(id)) {
        return true;
      }
      way.add(id);
    }
    way.forEach((id) => ending.add(id));
    return false;
  });
}

/** A copy that hangs from another checkpoint, or from none. */
export function withParent<T extends { parent?: string }>(node: T, parent: string | undefined): T {
  const copy = { ...node };
  delete copy.parent;
  return parent === undefined ? copy : { ...copy, parent };
}

/** True when both name the same layer for every disk. */
export function sameLayers(a: LayerOfDisk, b: LayerOfDisk): boolean {
  const disks = Object.keys(a);
  return disks.length === Object.keys(b).length && disks.every((disk) => a[disk] === b[disk]);
}
