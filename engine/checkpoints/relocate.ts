import { chmod, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Layer } from '../disks/disk.ts';
import { openLayer } from '../disks/open-chain.ts';
import { verifyParent } from '../disks/parent-check.ts';
import type { LayerOfDisk, MachineDefinition, MachineDisk } from '../model/machine.ts';
import { syncFolder } from '../store/atomic-file.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineRecords } from '../store/machine-folder.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { copyFiles, type CopyOfFiles } from './file-copies.ts';
import { readLayerGraph } from './layer-graph.ts';
import { newLayerNames } from './layers.ts';

/** A machine's layers under other names, for where layers are named otherwise. */
export interface Relocation {
  /** Of the machine as it will be. */
  records: MachineRecords;
  /** Parents before their children. */
  layers: RelocatedLayer[];
}

interface RelocatedLayer {
  disk: string;
  /** Absolute path of the file that is copied. */
  from: string;
  /** Its new name. */
  layer: string;
  /** New name of the layer that it stands on; absent when it stands alone, or on something outside of the machine. */
  parent?: string;
}

/**
 * Names the layers of a machine as they are named where its copy will be; changes nothing.
 * @param placed what its definition will be there
 * @throws for any chain that is broken
 */
export async function decideRelocation(
  files: LayerFiles,
  records: MachineRecords,
  placed: (definition: MachineDefinition) => MachineDefinition,
): Promise<Relocation> {
  const { layers } = await readLayerGraph(files, records, false);
  const target = placed(records.definition);
  const taken = new Set<string>();
  const names = new Map<string, string>();
  for (const { disk, layer } of layers) {
    const name = newName(target, disk, layer, taken);
    taken.add(name);
    names.set(`${disk}/${layer}`, name);
  }
  const named = (disk: string, layer: string): string => names.get(`${disk}/${layer}`) ?? layer;
  const renamed = (of: LayerOfDisk): LayerOfDisk =>
    Object.fromEntries(Object.entries(of).map(([disk, layer]) => [disk, named(disk, layer)]));
  const depths = new Map<string, number>();
  const depthOf = (disk: string, layer: string): number => {
    const parent = layers.find((one) => one.disk === disk && one.layer === layer)?.parent;
    const depth = depths.get(`${disk}/${layer}`) ?? (parent === undefined ? 0 : 1 + depthOf(disk, parent));
    depths.set(`${disk}/${layer}`, depth);
    return depth;
  };
  return {
    records: {
      ...records,
      definition: target,
      now: { ...records.now, activeLayers: renamed(records.now.activeLayers) },
      checkpoints: records.checkpoints.map((checkpoint) => ({
        ...checkpoint,
        layers: renamed(checkpoint.layers),
        definition: placed(checkpoint.definition),
      })),
    },
    layers: layers
      .map(({ disk, layer, file, parent }) => ({
        depth: depthOf(disk, layer),
        moved: {
          disk,
          from: file,
          layer: named(disk, layer),
          ...(parent === undefined ? {} : { parent: named(disk, parent) }),
        },
      }))
      .sort((one, other) => one.depth - other.depth)
      .map(({ moved }) => moved),
  };
}

/** A layer keeps what tells it from others of its disk. */
function newName(target: MachineDefinition, id: string, layer: string, taken: ReadonlySet<string>): string {
  const token = /-([0-9a-f]{8})\.[^.]*$/.exec(layer)?.[1];
  const disks = target.disks.filter((disk) => disk.id === id);
  const kept = newLayerNames({ ...target, disks }, token)[id] ?? layer;
  return taken.has(kept) ? (newLayerNames({ ...target, disks })[id] ?? layer) : kept;
}

/**
 * Copies the layers of a machine, verifies the copies, and makes each name its parent as that is called there.
 * @param target where the layers of `relocation.records` lie
 * @throws as {@link copyFiles}; ParentMismatch
 */
export async function copyRelocated(
  context: EngineContext,
  { layers }: Relocation,
  target: LayerFiles,
  about: Omit<CopyOfFiles, 'copies'>,
  call: Call,
): Promise<void> {
  const moved = layers.map(({ disk: id, layer, parent, from }) => {
    const disk = target.disk(id);
    return {
      disk,
      from,
      to: target.fileOf(disk, layer),
      parent: parent === undefined ? undefined : target.fileOf(disk, parent),
    };
  });
  await copyFiles(context, { ...about, copies: moved.map(({ from, to }) => ({ from, to })) }, call);
  for (const { disk, to, parent } of moved) {
    await chmod(to, (await stat(to)).mode | 0o600);
    const child = await headerOf(disk, to);
    const base = await baseOf(disk, child, parent);
    if (base !== undefined) {
      verifyParent(child, base.layer);
    }
  }
  for (const { disk, to, parent } of moved) {
    call.signal?.throwIfAborted();
    const base = await baseOf(disk, await headerOf(disk, to), parent);
    if (base !== undefined) {
      const child = await openLayer(to, 'write', { format: disk.format ?? 'qcow2' });
      try {
        await child.setParent(base);
        await child.flush();
      } finally {
        await child.close();
      }
    }
  }
  for (const folder of new Set(moved.map(({ to }) => path.dirname(to)))) {
    await syncFolder(folder);
  }
}

/** What a copy is to stand on, and the name that it calls that by. */
async function baseOf(
  disk: MachineDisk,
  child: Layer,
  parent: string | undefined,
): Promise<{ layer: Layer; relativePath: string } | undefined> {
  if (parent !== undefined) {
    return { layer: await headerOf(disk, parent), relativePath: path.basename(parent) };
  }
  const { externalBase } = disk;
  if (child.parentReference === undefined || externalBase === undefined) {
    return undefined;
  }
  const layer = await openLayer(externalBase.path, 'read', { format: externalBase.format });
  await layer.close();
  return { layer, relativePath: externalBase.path };
}

async function headerOf({ format = 'qcow2' }: MachineDisk, file: string): Promise<Layer> {
  const layer = await openLayer(file, 'read', { format });
  await layer.close();
  return layer;
}
