import { randomBytes } from 'node:crypto';
import { chmod, open } from 'node:fs/promises';
import path from 'node:path';
import { resolveChain } from '../disks/chain.ts';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import type { LayerOfDisk, MachineDefinition } from '../model/machine.ts';
import { syncFolder } from '../store/atomic-file.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { EngineContext } from './engine-context.ts';

/** Names for a set of new layers, one a disk. */
export function newLayerNames(definition: MachineDefinition): LayerOfDisk {
  const token = randomBytes(4).toString('hex');
  return Object.fromEntries(definition.disks.map((disk) => [disk.id, `layers/${disk.id}-${token}.qcow2`]));
}

/**
 * Makes an empty layer on top of each parent, durably.
 * @throws what {@link resolveChain} throws for a parent that does not verify
 */
export async function createLayers(
  context: EngineContext,
  folder: MachineFolder,
  definition: MachineDefinition,
  layers: LayerOfDisk,
  parents: LayerOfDisk,
  signal?: AbortSignal,
): Promise<void> {
  const imageTool = await context.imageTool();
  for (const disk of definition.disks) {
    const layer = layers[disk.id];
    const parent = parents[disk.id];
    if (layer === undefined || parent === undefined) {
      throw new CheckpointError(
        'MachineDamaged',
        `Machine “${definition.name}” has no layer for its disk ${disk.id}.`,
        { disk: disk.id },
      );
    }
    await chainOf(folder, disk.externalBase, parent);
    const backing = { file: path.basename(parent), format: 'qcow2' } as const;
    await imageTool.createLayer(folder.inner(layer), backing, disk.virtualSizeBytes, signal);
    await syncFile(folder.inner(layer));
  }
  await syncFolder(path.join(folder.path, 'layers'));
}

async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A parent is never written again, and its mode says so. One that is missing is told of where it is needed. */
export async function freeze(folder: MachineFolder, layers: LayerOfDisk): Promise<void> {
  for (const layer of Object.values(layers)) {
    try {
      await chmod(folder.inner(layer), 0o400);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') {
        throw error;
      }
    }
  }
}

/** Makes frozen layers active again. */
export async function thaw(folder: MachineFolder, layers: LayerOfDisk): Promise<void> {
  for (const layer of Object.values(layers)) {
    await chmod(folder.inner(layer), 0o600);
  }
}

/** True when every layer is a whole image whose chain is whole. */
export async function areWhole(
  folder: MachineFolder,
  definition: MachineDefinition,
  layers: LayerOfDisk,
): Promise<boolean> {
  try {
    for (const disk of definition.disks) {
      await chainOf(folder, disk.externalBase, layers[disk.id] ?? '');
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * Removes layers that nothing uses any more, and those below them that only they used. Whatever a checkpoint or Now still
 * stands on stays; when that cannot be told for certain, nothing is removed.
 * @returns bytes freed
 */
export async function releaseLayers(
  folder: MachineFolder,
  records: MachineRecords,
  released: readonly string[],
): Promise<number> {
  const needed = released.length === 0 ? undefined : await neededLayers(folder, records);
  if (needed === undefined) {
    return 0;
  }
  let freedBytes = 0;
  for (const layer of released) {
    const base = records.definition.disks.find((disk) => path.basename(layer).startsWith(`${disk.id}-`))?.externalBase;
    const chain = needed.has(folder.inner(layer))
      ? []
      : await chainOf(folder, base, layer).catch(() => [folder.inner(layer)]);
    for (const file of chain) {
      if (needed.has(file) || file === base?.path) {
        break;
      }
      freedBytes += await folder.removeFile(path.relative(folder.path, file).split(path.sep).join('/'));
    }
  }
  return freedBytes;
}

/** Every file that Now or a checkpoint stands on; undefined when a chain is broken, so that it cannot be told. */
async function neededLayers(folder: MachineFolder, records: MachineRecords): Promise<Set<string> | undefined> {
  const tops = [{ layers: records.now.activeLayers, definition: records.definition }, ...records.checkpoints];
  try {
    const chains = tops.flatMap(({ layers, definition }) =>
      definition.disks.map((disk) => chainOf(folder, disk.externalBase, layers[disk.id] ?? '')),
    );
    return new Set((await Promise.all(chains)).flat());
  } catch (error) {
    if (error instanceof CheckpointError) {
      return undefined;
    }
    throw error;
  }
}

async function chainOf(
  folder: MachineFolder,
  base: MachineDefinition['disks'][number]['externalBase'],
  layer: string,
): Promise<string[]> {
  const chain = await resolveChain(folder.inner(layer), path.join(folder.path, 'layers'), base);
  return chain.map((link) => link.file);
}
