import type { Checkpoint, TrashedCheckpoint } from '../model/checkpoint.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { LayerOfDisk, Now } from '../model/machine.ts';
import { findCheckpoint, withParent } from '../model/tree.ts';
import { removeFirmware } from '../store/firmware-folder.ts';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';
import { carryOut, orLeft } from './carry-out.ts';
import type { EngineContext } from './engine-context.ts';
import { releaseLayers } from './layer-graph.ts';
import type { OpenMachine } from './locked-machine.ts';
import { takeBack } from './take-back.ts';

/** Finds a deleted checkpoint as `findCheckpoint` does. @throws NotInTrash, AmbiguousName */
export function findTrashed(records: MachineRecords, reference: string): TrashedCheckpoint {
  const { name } = records.definition;
  const checkpoints = records.trash.map(({ checkpoint }) => checkpoint);
  try {
    const { id } = findCheckpoint({ machine: name, checkpoints, now: { activeLayers: {} } }, reference);
    const found = records.trash.find(({ checkpoint }) => checkpoint.id === id);
    if (found !== undefined) {
      return found;
    }
  } catch (error) {
    if (!(error instanceof CheckpointError && error.code === 'CheckpointNotFound')) {
      throw error;
    }
  }
  throw new CheckpointError(
    'NotInTrash',
    `The trash of machine “${name}” has no checkpoint “${reference}” (ckpt trash list ${name} tells what it has).`,
    { machine: name, checkpoint: reference },
  );
}

/** What a restore will do. */
export interface RestoreDecision {
  /** As it will be in the tree. */
  restored: Checkpoint;
  /** Checkpoints that will hang from it. */
  children: string[];
  after: Now;
}

/**
 * Decides where a deleted checkpoint goes; changes nothing. It is where its layers say that it was: under the nearest
 * checkpoint that they stand on, and over what stands on them. So it does not matter what was deleted or restored in
 * which order.
 * @throws what {@link ChainReader.chainOf} throws for a chain that does not verify
 */
export async function decideRestore(
  folder: MachineFolder,
  records: MachineRecords,
  trashed: TrashedCheckpoint,
): Promise<RestoreDecision> {
  const standing = new StandingLayers(new LayerFiles(folder, records.definition, records.now.activeLayers));
  const parent = await standing.nearest(trashed.checkpoint.layers, records.checkpoints);
  // A person wants it: it no longer expires.
  const { expires: _expires, ...restored } = withParent(trashed.checkpoint, parent);
  const hangsFromIt = async (node: { parent?: string }, layers: LayerOfDisk): Promise<boolean> =>
    node.parent === parent && (await standing.isOn(layers, restored.layers));
  const children = [];
  for (const checkpoint of records.checkpoints) {
    if (await hangsFromIt(checkpoint, checkpoint.layers)) {
      children.push(checkpoint.id);
    }
  }
  const isUnderNow = await hangsFromIt(records.now, records.now.activeLayers);
  return { restored, children, after: isUnderNow ? { ...records.now, parent: restored.id } : records.now };
}

/** Puts a deleted checkpoint back, as {@link decideRestore} says. */
export async function restoreFromTrash(
  context: EngineContext,
  machine: OpenMachine,
  trashed: TrashedCheckpoint,
): Promise<Checkpoint> {
  const { folder, records, about } = machine;
  about.push(trashed.checkpoint.name);
  const { restored, children, after } = await decideRestore(folder, records, trashed);
  const journal: Omit<JournalRecord, 'version'> = {
    operation: 'restore',
    started: new Date().toISOString(),
    after,
    reusesLayers: false,
    wasRunning: false,
    runsAfterwards: false,
    releasedLayers: [],
    trashed: [{ ...trashed, checkpoint: restored }],
    children,
  };
  await orLeft(context, undefined, () =>
    carryOut(
      folder,
      journal,
      () => executeRestore(folder, records, journal),
      () => takeBack(folder, records, [restored.id]),
    ),
  );
  return restored;
}

/** Carries out a journalled restore, from whichever step it got to. */
export async function executeRestore(
  folder: MachineFolder,
  records: MachineRecords,
  journal: Pick<JournalRecord, 'trashed' | 'children' | 'after'>,
): Promise<void> {
  const { trashed = [], children = [] } = journal;
  for (const { checkpoint } of trashed) {
    await folder.writeCheckpoint(checkpoint);
    for (const child of records.checkpoints.filter(({ id }) => children.includes(id))) {
      await folder.writeCheckpoint({ ...child, parent: checkpoint.id });
    }
    await folder.writeNow(journal.after);
    await folder.removeTrashed(checkpoint.id);
  }
}

/** Takes deleted checkpoints out of the trash for good. Their layers are hidden from then on, if anything stands on them. */
export async function discardTrash(
  context: EngineContext,
  machine: OpenMachine,
  discarded: readonly TrashedCheckpoint[],
): Promise<number> {
  const { folder, records, about } = machine;
  about.push(...discarded.map(({ checkpoint }) => checkpoint.name));
  const journal: Omit<JournalRecord, 'version'> = {
    operation: 'discard',
    started: new Date().toISOString(),
    after: records.now,
    reusesLayers: false,
    wasRunning: false,
    runsAfterwards: false,
    releasedLayers: [],
    trashed: [...discarded],
  };
  return orLeft(context, 0, () => carryOut(folder, journal, () => executeDiscard(folder, records, journal)));
}

/** Carries out a journalled discard, from whichever step it got to. @returns bytes freed */
export async function executeDiscard(
  folder: MachineFolder,
  records: MachineRecords,
  journal: Pick<JournalRecord, 'trashed'>,
): Promise<number> {
  let freedBytes = 0;
  const discarded = journal.trashed ?? [];
  for (const { checkpoint } of discarded) {
    await folder.removeTrashed(checkpoint.id);
    if (checkpoint.memory !== undefined) {
      freedBytes += await folder.removeFile(folder.inner(checkpoint.memory.file));
    }
    if (checkpoint.firmware !== undefined) {
      freedBytes += await removeFirmware(folder, [checkpoint.firmware.folder]);
    }
  }
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const released = discarded.flatMap(({ checkpoint }) => Object.values(checkpoint.layers));
  return freedBytes + (await releaseLayers(folder, files, await folder.read(), released));
}

/** What layers stand on, by the headers of their images. */
class StandingLayers {
  readonly #files: LayerFiles;
  readonly #reader: ChainReader;

  constructor(files: LayerFiles) {
    this.#files = files;
    this.#reader = new ChainReader(files);
  }

  async isOn(layers: LayerOfDisk, lower: LayerOfDisk): Promise<boolean> {
    return (await this.#depths(layers, lower)).every((depth) => depth > 0);
  }

  /** Id of the checkpoint that layers stand on with the fewest layers in between. */
  async nearest(layers: LayerOfDisk, checkpoints: readonly Checkpoint[]): Promise<string | undefined> {
    let nearest: { id: string; depth: number } | undefined;
    for (const checkpoint of checkpoints) {
      const depths = await this.#depths(layers, checkpoint.layers);
      const [depth = 0] = depths;
      if (depths.every((one) => one > 0) && (nearest === undefined || depth < nearest.depth)) {
        nearest = { id: checkpoint.id, depth };
      }
    }
    return nearest?.id;
  }

  /** How far below the other each lower layer lies; 0 or less where it does not. */
  async #depths(layers: LayerOfDisk, lower: LayerOfDisk): Promise<number[]> {
    const depths = [];
    for (const disk of this.#files.disks) {
      const chain = await this.#reader.chainOf(disk, this.#files.layerOf(layers, disk));
      depths.push(chain.findIndex(({ layer }) => layer !== undefined && layer === lower[disk.id]));
    }
    return depths;
  }
}
