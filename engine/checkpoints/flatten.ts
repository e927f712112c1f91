import { mergeIntoChild } from '../disks/operations/merge.ts';
import { openChain } from '../disks/open-chain.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { MachineDefinition, MachineDisk } from '../model/machine.ts';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineRecords } from '../store/machine-folder.ts';
import { definitionsOf } from './clone-records.ts';
import { bytesOfFiles } from './copy-bytes.ts';
import { needsOfBases } from './copy-space.ts';
import { hostOf, type Call, type EngineContext } from './engine-context.ts';
import { readLayerGraph } from './layer-graph.ts';
import { changeDefinition } from './one-record.ts';
import { requireStopped, type OpenMachine } from './locked-machine.ts';
import { requireSpaceFor, type SpaceNeed } from './space-check.ts';
import { allowed, changing, expectChange, freezeAgain } from './tidy.ts';

/** What a flatten will copy in, and into which layers. */
export interface FlattenDecision {
  lowest: LowestLayer[];
  needs: SpaceNeed[];
}

/** A layer of a machine that stands on something outside of it. */
export interface LowestLayer {
  disk: MachineDisk;
  layer: string;
  file: string;
  /** Layers that stand on it. */
  children: { layer: string; file: string }[];
}

/** Decides what a flatten does; changes nothing. @throws MachineRunning, DiskInUse, HasClones, NotEnoughSpace */
export async function decideFlatten(
  context: EngineContext,
  machine: OpenMachine,
  call: Call,
): Promise<FlattenDecision> {
  const { folder, records } = machine;
  const { definition, now } = records;
  requireStopped(machine, 'flattening it');
  if (!dependsOnOthers(records)) {
    return { lowest: [], needs: [] };
  }
  await hostOf(context, definition).requireUnused({ folder, definition, layers: now.activeLayers });
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const lowest = await lowestLayers(files, records);
  const needs = await needsOfBases(files, records, call);
  await requireSpaceFor(context, `Flattening “${definition.name}”`, needs, machine);
  return { lowest, needs };
}

/** What each of these stands on outside of its machine takes. */
export async function bytesBelow(files: LayerFiles, lowest: readonly LowestLayer[]): Promise<number[]> {
  const reader = new ChainReader(files);
  return Promise.all(
    lowest.map(async ({ disk, layer }) => {
      const [, ...below] = await reader.chainOf(disk, layer);
      return bytesOfFiles(below.map(({ file }) => file));
    }),
  );
}

/** @returns bytes that were copied in @throws as {@link decideFlatten} */
export async function flatten(context: EngineContext, machine: OpenMachine, call: Call): Promise<number> {
  const { folder, records } = machine;
  const { definition, now } = records;
  await decideFlatten(context, machine, call);
  if (!dependsOnOthers(records)) {
    return 0;
  }
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const copiedBytes = await copyBasesIn(files, records, call);
  // Manifests first: the definition says that it has happened.
  for (const checkpoint of records.checkpoints) {
    await folder.writeCheckpoint(alone(checkpoint));
  }
  for (const trashed of records.trash) {
    await folder.writeTrashed({ ...trashed, checkpoint: alone(trashed.checkpoint) });
  }
  await changeDefinition(context, folder, standingAlone(definition));
  return copiedBytes;
}

/** True when any point of a machine needs a file outside of it. */
export function dependsOnOthers(records: MachineRecords): boolean {
  return definitionsOf(records).some(({ disks }) => disks.some(({ externalBase }) => externalBase !== undefined));
}

/** The definition of a machine that needs no file outside of it. */
export function standingAlone(definition: MachineDefinition): MachineDefinition {
  return { ...definition, disks: definition.disks.map(({ externalBase: _, ...disk }) => disk) };
}

function alone(checkpoint: Checkpoint): Checkpoint {
  return { ...checkpoint, definition: standingAlone(checkpoint.definition) };
}

/**
 * Copies what the lowest layers of a machine stand on into them. Every chain reads as before at every instant, and the same
 * call finishes what was interrupted.
 * @returns bytes copied
 * @throws as {@link lowestLayers}
 */
export async function copyBasesIn(files: LayerFiles, records: MachineRecords, call: Call): Promise<number> {
  let copiedBytes = 0;
  const active = records.now.activeLayers;
  for (const lowest of await lowestLayers(files, records)) {
    const { disk, layer } = lowest;
    await changing(files, disk, [layer]);
    try {
      copiedBytes += await copyIn(files, disk, lowest, lowest.children, active, call);
    } finally {
      await freezeAgain(files, disk, [layer], active);
    }
  }
  return copiedBytes;
}

/** @throws HasClones when a clone stands on such a layer, which must not change then */
export async function lowestLayers(files: LayerFiles, records: MachineRecords): Promise<LowestLayer[]> {
  const { layers } = await readLayerGraph(files, records, false);
  const reader = new ChainReader(files);
  const found: LowestLayer[] = [];
  for (const lowest of layers.filter(({ parent }) => parent === undefined)) {
    const disk = files.disk(lowest.disk);
    const children = layers.filter((one) => one.disk === disk.id && one.parent === lowest.layer);
    // What the machine was made with stands alone, and may be raw, which its content does not tell.
    if (lowest.layer === disk.base) {
      continue;
    }
    const { header } = await reader.layer(disk, lowest.layer);
    if (header.parentReference === undefined) {
      continue;
    }
    if (lowest.isCloned || children.some(({ isCloned }) => isCloned)) {
      throw new CheckpointError(
        'HasClones',
        `Linked clones stand on the layers of “${records.definition.name}” that would change: ` +
          `${records.clones.map(({ name }) => `“${name}”`).join(', ')}. Flatten those first.`,
        { machine: records.definition.name, clones: records.clones.map(({ name }) => name) },
      );
    }
    found.push({ disk, layer: lowest.layer, file: lowest.file, children });
  }
  return found;
}

async function copyIn(
  files: LayerFiles,
  disk: MachineDisk,
  lowest: { file: string },
  children: readonly { layer: string; file: string }[],
  active: MachineRecords['now']['activeLayers'],
  { signal, report }: Call,
): Promise<number> {
  const chain = await openChain(lowest.file, {
    format: disk.format ?? 'qcow2',
    ...allowed(disk),
    access: (depth) => (depth === 0 ? 'write' : 'read'),
  });
  try {
    for (const child of children) {
      await expectChange(files, disk, child, chain.top, active);
    }
    const { movedBytes } = await mergeIntoChild(chain, chain.layers.length - 1, {
      ...(signal === undefined ? {} : { signal }),
      onProgress: (doneBytes, totalBytes) =>
        report?.('Copying what the machine stands on', totalBytes === 0 ? 1 : doneBytes / totalBytes, {
          doneBytes,
          totalBytes,
        }),
    });
    return movedBytes;
  } finally {
    await chain.close();
  }
}
