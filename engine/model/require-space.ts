import type { SpaceShortage, WayToFree } from '../protocol/space.ts';
import { CheckpointError } from './checkpoint-error.ts';
import { formatSize } from './size.ts';
import { LayerUse, type LayerTree } from './space.ts';

/** The refusal of what will not fit, before anything is done. @param what begins the sentence, such as `Taking a checkpoint of “lab”` */
export function notEnoughSpace(what: string, shortage: SpaceShortage): CheckpointError {
  const { volume, neededBytes, freeBytes, shortBytes } = shortage;
  return new CheckpointError(
    'NotEnoughSpace',
    `${what} needs ${formatSize(neededBytes)}, but the volume of ${volume} has ${formatSize(freeBytes)} free: ` +
      `${formatSize(shortBytes)} are short. ${adviceOn(shortage)} Nothing was changed.`,
    { ...shortage },
  );
}

function adviceOn({ waysToFree: ways, shortBytes, freeSpaceBytes }: SpaceShortage): string {
  if (ways.length === 0) {
    return 'Free some space on the volume and try again.';
  }
  const total = ways.reduce((bytes, way) => bytes + way.bytes, 0);
  const steps = ways.map((way) => `${way.action} (${formatSize(way.bytes)})`).join('; ');
  const lacking = total < shortBytes ? ` That is not all: free ${formatSize(shortBytes - total)} more elsewhere.` : '';
  const atOnce =
    freeSpaceBytes === undefined
      ? ''
      : ` Trash and kept states, ${formatSize(freeSpaceBytes)}, can go at once (ckpt free-space).`;
  return `To free space, in this order: ${steps}.${atOnce}${lacking}`;
}

/** A checkpoint as what could be given up. */
export interface GivenUp {
  id: string;
  name: string;
  parent?: string;
  expires?: string;
  isPinned?: boolean;
}

/** One machine, as what could be given up of it. */
export interface GivingMachine {
  name: string;
  tree: LayerTree;
  checkpoints: readonly GivenUp[];
  /** Never given up. */
  nowParent?: string;
}

const mostLeavesNamed = 5;

/**
 * What to give up of a machine, what costs least first, as far as it is needed: the trash, what would expire anyway, and
 * then the checkpoints without children that bring most. Each way's bytes are certain, and come on top of those before it.
 * @param discardableOnly the first two alone
 */
export function waysToFree(machine: GivingMachine, shortBytes: number, discardableOnly = false): WayToFree[] {
  const { name, tree } = machine;
  const use = new LayerUse(tree);
  const gone = new Set<string>();
  const ways: WayToFree[] = [];
  let freed = 0;
  const certain = (ids: readonly string[]): number => use.freedBy(new Set([...gone, ...ids])).leastBytes - freed;
  const add = (kind: WayToFree['kind'], action: string, given: readonly { id: string; name: string }[]): void => {
    if (freed >= shortBytes || certain(given.map(({ id }) => id)) <= 0) {
      return;
    }
    const each = given.map((one) => {
      const bytes = certain([one.id]);
      gone.add(one.id);
      freed += bytes;
      return { id: one.id, name: one.name, bytes };
    });
    ways.push({
      kind,
      machine: name,
      action,
      bytes: each.reduce((sum, { bytes }) => sum + bytes, 0),
      checkpoints: each,
    });
  };
  const leaves = leavesOf(machine);
  add(
    'trash',
    `empty the trash of “${name}”`,
    tree.holders.filter(({ kind }) => kind === 'trash'),
  );
  add('expiring', `delete what of “${name}” would expire by itself`, keptStatesOf(machine));
  let others = discardableOnly ? [] : leaves.filter(({ expires }) => expires === undefined);
  for (let count = 0; count < mostLeavesNamed && others.length > 0; count += 1) {
    const largest = others.reduce((best, one) => (certain([one.id]) > certain([best.id]) ? one : best));
    add('checkpoint', `delete “${largest.name}” of “${name}” for good`, [largest]);
    others = others.filter((one) => one !== largest);
  }
  return ways;
}

/** What apply, undo and redo kept only in case, and nobody built on or pinned. */
export function keptStatesOf<C extends GivenUp>(machine: { checkpoints: readonly C[]; nowParent?: string }): C[] {
  return leavesOf(machine).filter(({ expires }) => expires !== undefined);
}

function leavesOf<C extends GivenUp>({
  checkpoints,
  nowParent,
}: {
  checkpoints: readonly C[];
  nowParent?: string;
}): C[] {
  const parents = new Set(checkpoints.map(({ parent }) => parent));
  return checkpoints.filter(({ id, isPinned }) => id !== nowParent && isPinned !== true && !parents.has(id));
}
