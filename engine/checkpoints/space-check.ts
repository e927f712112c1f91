import type { SpaceEstimate } from '../model/space-estimates.ts';
import { requireSpace, waysToFree } from '../model/require-space.ts';
import type { LayerTree } from '../model/space.ts';
import { freeBytesOf, readLayerTree } from './machine-space.ts';
import type { OpenMachine } from './locked-machine.ts';

/**
 * Refuses an operation on a machine that will not fit on the volume of its folder, before anything is done.
 * @param what begins the sentence, such as `Taking a checkpoint of “lab”`
 * @param freeBytes of that volume
 * @throws NotEnoughSpace, with the bytes that are short and the cheapest ways to free them
 */
export async function requireSpaceFor(
  { folder, records }: Pick<OpenMachine, 'folder' | 'records'>,
  what: string,
  { peakBytes }: Pick<SpaceEstimate, 'peakBytes'>,
  freeBytes?: number,
): Promise<void> {
  const free = freeBytes ?? (await freeBytesOf(folder.path));
  if (free >= peakBytes) {
    return;
  }
  // That it does not fit matters more than a chain that is broken.
  const tree = await readLayerTree(folder, records).catch((): LayerTree => ({ layers: [], holders: [] }));
  const checkpoints = records.checkpoints.map((one) => ({ ...one, isPinned: one.pinned === true }));
  requireSpace(what, free, peakBytes, (shortBytes) => waysToFree(tree, checkpoints, records.now.parent, shortBytes));
}
