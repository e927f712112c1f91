import type { Checkpoint, TrashedCheckpoint } from '../model/checkpoint.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { findCheckpoint, withParent } from '../model/tree.ts';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';
import { carryOut } from './carry-out.ts';
import { releaseLayers } from './layer-graph.ts';
import type { OpenMachine } from './locked-machine.ts';

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
    `The trash of machine “${name}” has no checkpoint “${reference}”. See what it has: ckpt trash list ${name}.`,
    { machine: name, checkpoint: reference },
  );
}

/** Puts a deleted checkpoint back into the tree, and what had hung from it and still stands on it under it again. */
export async function restoreFromTrash(machine: OpenMachine, trashed: TrashedCheckpoint): Promise<Checkpoint> {
  const { folder, records } = machine;
  const known = new Map(records.checkpoints.map((checkpoint) => [checkpoint.id, checkpoint.parent]));
  const inTrash = new Map(records.trash.map(({ checkpoint }) => [checkpoint.id, checkpoint.parent]));
  let parent = trashed.checkpoint.parent;
  while (parent !== undefined && !known.has(parent)) {
    parent = inTrash.get(parent);
  }
  // A person wants it: it no longer expires.
  const { expires: _expires, ...lasting } = withParent(trashed.checkpoint, parent);
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const children = [];
  for (const checkpoint of records.checkpoints.filter(({ id }) => trashed.children.includes(id))) {
    if (checkpoint.parent === parent && (await standsOn(files, checkpoint.layers, lasting))) {
      children.push(checkpoint.id);
    }
  }
  const isUnderNow =
    trashed.wasParentOfNow &&
    records.now.parent === parent &&
    (await standsOn(files, records.now.activeLayers, lasting));
  const journal: Omit<JournalRecord, 'version'> = {
    operation: 'restore',
    started: new Date().toISOString(),
    after: isUnderNow ? { ...records.now, parent: lasting.id } : records.now,
    reusesLayers: false,
    wasRunning: false,
    runsAfterwards: false,
    releasedLayers: [],
    trashed: [{ ...trashed, checkpoint: lasting, children }],
  };
  await carryOut(folder, journal, () => executeRestore(folder, records, journal));
  return lasting;
}

/** Carries out a journalled restore, from whichever step it got to. */
export async function executeRestore(
  folder: MachineFolder,
  records: MachineRecords,
  journal: Pick<JournalRecord, 'trashed' | 'after'>,
): Promise<void> {
  for (const { checkpoint, children } of journal.trashed ?? []) {
    await folder.writeCheckpoint(checkpoint);
    for (const child of records.checkpoints.filter(({ id }) => children.includes(id))) {
      await folder.writeCheckpoint({ ...child, parent: checkpoint.id });
    }
    await folder.writeNow(journal.after);
    await folder.removeTrashed(checkpoint.id);
  }
}

/** Takes deleted checkpoints out of the trash for good. Their layers are hidden from then on, if anything stands on them. */
export async function discardTrash(machine: OpenMachine, discarded: readonly TrashedCheckpoint[]): Promise<number> {
  const { folder, records } = machine;
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
  return carryOut(folder, journal, () => executeDiscard(folder, records, journal));
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
  }
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const released = discarded.flatMap(({ checkpoint }) => Object.values(checkpoint.layers));
  return freedBytes + (await releaseLayers(folder, files, await folder.read(), released));
}

/** True when every layer set stands on the checkpoint's own layers. */
async function standsOn(files: LayerFiles, layers: Checkpoint['layers'], checkpoint: Checkpoint): Promise<boolean> {
  const reader = new ChainReader(files);
  for (const disk of files.disks) {
    const chain = await reader.chainOf(disk, files.layerOf(layers, disk));
    if (!chain.some(({ layer }) => layer === checkpoint.layers[disk.id])) {
      return false;
    }
  }
  return true;
}
