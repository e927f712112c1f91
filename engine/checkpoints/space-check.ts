import type { GivingMachine } from '../model/require-space.ts';
import { keptStatesOf, notEnoughSpace, waysToFree } from '../model/require-space.ts';
import {
  estimateDelete,
  emptyLayerBytes,
  recordsBytes,
  savedMemoryBytes,
  type NewLayer,
} from '../model/space-estimates.ts';
import { LayerUse } from '../model/space.ts';
import type { MachineDefinition } from '../model/machine.ts';
import type { WayToFree } from '../protocol/space.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { volumeOf, type Volume } from '../store/volume.ts';
import type { EngineContext } from './engine-context.ts';
import { readMachine, type OpenMachine } from './locked-machine.ts';
import { readLayerTree } from './machine-space.ts';
import { machineFolders } from './machine-folders.ts';

/** Bytes that an operation is going to take in a folder, at most. */
export interface SpaceNeed {
  folder: string;
  bytes: number;
}

type Known = Pick<OpenMachine, 'folder' | 'records'>;

/**
 * Refuses an operation that will not fit, before anything is done. Each volume that it writes to is asked, once.
 * @param what begins the sentence, such as `Taking a checkpoint of “lab”`
 * @param own the machine that it is about, whose checkpoints may be given up for it
 * @throws NotEnoughSpace, with `SpaceShortage` as its data
 */
export async function requireSpaceFor(
  context: Pick<EngineContext, 'home'>,
  what: string,
  needs: readonly SpaceNeed[],
  own?: Known,
): Promise<void> {
  const short = await shortVolume(needs);
  if (short !== undefined) {
    const { folder, volume, neededBytes } = short;
    const shortBytes = neededBytes - volume.freeBytes;
    const facts = { volume: folder, neededBytes, freeBytes: volume.freeBytes, shortBytes };
    throw notEnoughSpace(what, { ...facts, ...(await waysOn(context, volume.device, shortBytes, own)) });
  }
}

async function shortVolume(needs: readonly SpaceNeed[]): Promise<NeededVolume | undefined> {
  return (await neededVolumes(needs)).find(({ volume, neededBytes }) => neededBytes > volume.freeBytes);
}

/** What an operation needs on one volume. */
export interface NeededVolume {
  /** One of those on it that are written to. */
  folder: string;
  volume: Volume;
  neededBytes: number;
}

/** What is needed of each volume. */
export async function neededVolumes(needs: readonly SpaceNeed[]): Promise<NeededVolume[]> {
  const byDevice = new Map<number, NeededVolume>();
  for (const { folder, bytes } of needs) {
    const volume = await volumeOf(folder);
    const known = byDevice.get(volume.device) ?? { folder, volume, neededBytes: 0 };
    byDevice.set(volume.device, { ...known, neededBytes: known.neededBytes + bytes });
  }
  return [...byDevice.values()];
}

/** Of the machine itself all that can be given up; of the others on that volume what is kept only in case. */
async function waysOn(
  context: Pick<EngineContext, 'home'>,
  device: number,
  shortBytes: number,
  own: Known | undefined,
): Promise<{ waysToFree: WayToFree[]; freeSpaceBytes?: number }> {
  const ways: WayToFree[] = [];
  let freed = 0;
  let freeSpaceBytes = 0;
  const look = async (known: Known, discardableOnly: boolean): Promise<void> => {
    const machine = await givingMachine(known, device);
    const more = waysToFree(machine, shortBytes - freed, discardableOnly);
    ways.push(...more);
    freed += more.reduce((sum, { bytes }) => sum + bytes, 0);
    freeSpaceBytes += new LayerUse(machine.tree).freedBy(discardableOf(machine)).leastBytes;
  };
  // That it does not fit matters more than a machine that cannot be read.
  if (own !== undefined) {
    await look(own, false).catch(() => undefined);
  }
  for (const folder of await machineFolders(context)) {
    if (folder.path !== own?.folder.path) {
      await readMachine(folder)
        .then((records) => look({ folder, records }, true))
        .catch(() => undefined);
    }
  }
  return { waysToFree: ways, ...(freeSpaceBytes > 0 ? { freeSpaceBytes } : {}) };
}

/** @param device of the volume that space is wanted on; all of them unless it is given */
export async function givingMachine({ folder, records }: Known, device?: number): Promise<GivingMachine> {
  const { definition, checkpoints, now } = records;
  return {
    name: definition.name,
    tree: await readLayerTree(folder, records, device),
    checkpoints: checkpoints.map((one) => ({ ...one, isPinned: one.pinned === true })),
    ...(now.parent === undefined ? {} : { nowParent: now.parent }),
  };
}

/** Ids of what is kept only in case: the trash, and what apply, undo and redo kept. */
export function discardableOf(machine: GivingMachine): Set<string> {
  const trash = machine.tree.holders.filter(({ kind }) => kind === 'trash');
  return new Set([...trash, ...keptStatesOf(machine)].map(({ id }) => id));
}

/** What empty layers and the records of a checkpoint take, each where it is going to lie. */
export function needsOfNewLayers(folder: MachineFolder, definition: MachineDefinition): SpaceNeed[] {
  const files = new LayerFiles(folder, definition, {});
  return [
    { folder: folder.path, bytes: recordsBytes },
    ...files.disks.map((disk) => ({ folder: files.folderOf(disk), bytes: emptyLayerBytes(newLayerOf(disk)) })),
  ];
}

function newLayerOf({ format = 'qcow2', virtualSizeBytes }: MachineDefinition['disks'][number]): NewLayer {
  return { format, virtualSizeBytes };
}

/** What the merges take that a delete for good leaves to be done, on each volume. */
export async function needsToPurge({ folder, records }: Known, deleted: ReadonlySet<string>): Promise<SpaceNeed[]> {
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const folders = new Map<number, string>();
  for (const place of files.disks.map((disk) => files.folderOf(disk))) {
    folders.set((await volumeOf(place)).device, place);
  }
  return Promise.all(
    [...folders].map(async ([device, place]) => {
      const { peakBytes } = estimateDelete(await readLayerTree(folder, records, device), deleted);
      return { folder: place, bytes: peakBytes };
    }),
  );
}

/**
 * Refuses to delete for good what leaves layers to merge that will not fit.
 * @throws NotEnoughSpace
 */
export async function requireSpaceToPurge(
  context: EngineContext,
  machine: Known,
  deleted: ReadonlySet<string>,
): Promise<void> {
  const needs = await needsToPurge(machine, deleted);
  await requireSpaceFor(context, `Merging layers of “${machine.records.definition.name}”`, needs, machine);
}

/** What saving the memory of a machine may take. */
export function needsOfMemory({ folder, records }: Known, memoryFile: string | undefined): SpaceNeed[] {
  const memoryBytes = (records.definition.memoryMiB ?? 0) * 1024 * 1024;
  return memoryFile === undefined ? [] : [{ folder: folder.path, bytes: savedMemoryBytes(memoryBytes) }];
}
