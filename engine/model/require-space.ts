import type { WayToFree } from '../protocol/space.ts';
import { CheckpointError } from './checkpoint-error.ts';
import { formatSize } from './size.ts';
import { LayerUse, type LayerTree } from './space.ts';

/**
 * Refuses what will not fit, before anything is done.
 * @param what begins the sentence, such as `Taking a checkpoint of “lab”`
 * @param waysToFree the cheapest first; asked only when they are needed
 * @throws NotEnoughSpace, with `neededBytes`, `freeBytes`, `shortBytes` and `waysToFree` as its data
 */
export function requireSpace(
  what: string,
  freeBytes: number,
  neededBytes: number,
  waysToFree: (shortBytes: number) => WayToFree[],
): void {
  const shortBytes = neededBytes - freeBytes;
  if (shortBytes <= 0) {
    return;
  }
  const ways = waysToFree(shortBytes);
  throw new CheckpointError(
    'NotEnoughSpace',
    `${what} needs ${formatSize(neededBytes)}, but the volume has ${formatSize(freeBytes)} free: ${formatSize(shortBytes)} are short. ${adviceOn(ways, shortBytes)}`,
    { neededBytes, freeBytes, shortBytes, waysToFree: ways },
  );
}

function adviceOn(ways: readonly WayToFree[], shortBytes: number): string {
  if (ways.length === 0) {
    return 'Free some space on the volume and try again.';
  }
  const total = ways.reduce((bytes, way) => bytes + way.bytes, 0);
  const steps = ways.map((way) => `${way.action} (${formatSize(way.bytes)})`).join('; ');
  const lacking = total < shortBytes ? ` That is not all: free ${formatSize(shortBytes - total)} more elsewhere.` : '';
  return `To free space, in this order: ${steps}.${lacking}`;
}

/** A checkpoint as what could be given up. */
export interface GivenUp {
  id: string;
  name: string;
  parent?: string;
  expires?: string;
  isPinned?: boolean;
}

const mostLeavesNamed = 5;

/**
 * What to give up, what costs least first, as far as it is needed: the trash, what would expire anyway, and then the
 * checkpoints without children that bring most. Each way's bytes are certain, and come on top of those before it.
 * @param nowParent never among them
 */
export function waysToFree(
  tree: LayerTree,
  checkpoints: readonly GivenUp[],
  nowParent: string | undefined,
  shortBytes: number,
): WayToFree[] {
  const leaves = checkpoints.filter(
    ({ id, isPinned }) => id !== nowParent && isPinned !== true && !checkpoints.some(({ parent }) => parent === id),
  );
  const use = new LayerUse(tree);
  const gone = new Set<string>();
  const ways: WayToFree[] = [];
  let freed = 0;
  const certain = (ids: readonly string[]): number => use.freedBy(new Set([...gone, ...ids])).leastBytes - freed;
  const add = (way: Omit<WayToFree, 'bytes'>, ids: readonly string[]): void => {
    const bytes = certain(ids);
    if (freed < shortBytes && bytes > 0) {
      ways.push({ ...way, bytes });
      ids.forEach((id) => gone.add(id));
      freed += bytes;
    }
  };
  const trash = tree.holders.filter(({ kind }) => kind === 'trash').map(({ id }) => id);
  add({ kind: 'trash', action: 'empty the trash' }, trash);
  const expiring = leaves.filter(({ expires }) => expires !== undefined).map(({ id }) => id);
  add({ kind: 'expiring', action: 'delete what would expire by itself', checkpoints: expiring }, expiring);
  let others = leaves.filter(({ expires }) => expires === undefined);
  for (let count = 0; count < mostLeavesNamed && others.length > 0; count += 1) {
    const largest = others.reduce((best, one) => (certain([one.id]) > certain([best.id]) ? one : best));
    add({ kind: 'checkpoint', action: `delete “${largest.name}”`, checkpoints: [largest.id] }, [largest.id]);
    others = others.filter((one) => one !== largest);
  }
  return ways;
}
