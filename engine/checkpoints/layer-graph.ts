import type { Checkpoint } from '../model/checkpoint.ts';
import type { TreeLayer } from '../model/layer-tree.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { LayerOfDisk } from '../model/machine.ts';
import { ChainReader, type ChainLayer } from '../store/layer-chain.ts';
import type { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';

/** All layers of a machine that something stands on, by their own headers. */
export interface LayerGraph {
  layers: (TreeLayer & { file: string })[];
}

/**
 * Reads which layer stands on which.
 * @param isUp the machine runs or is paused: it has Now's chain open
 * @throws what {@link ChainReader.chainOf} throws, for any chain that is broken
 */
export async function readLayerGraph(files: LayerFiles, records: MachineRecords, isUp: boolean): Promise<LayerGraph> {
  const reader = new ChainReader(files);
  const layers = new Map<string, TreeLayer & { file: string }>();
  for (const disk of files.disks) {
    const named = namedLayers(records, disk.id);
    const cloned = new Set(records.clones.flatMap((clone) => clone.layers[disk.id] ?? []));
    const active = records.now.activeLayers[disk.id];
    const walk = async (top: string): Promise<ChainLayer[]> => {
      const chain = (await reader.chainOf(disk, top)).filter(({ layer }) => layer !== undefined);
      chain.forEach(({ layer = '', file }, at) => {
        const parent = chain[at + 1]?.layer;
        const known = layers.get(file);
        layers.set(file, {
          disk: disk.id,
          layer,
          file,
          ...(parent === undefined ? {} : { parent }),
          isNamed: named.has(layer) || layer === disk.base,
          isBusy: known?.isBusy === true || (isUp && top === active),
          isCloned: known?.isCloned === true || cloned.has(top),
        });
      });
      return chain;
    };
    // Now's chain comes first: what it has open is busy for all others too.
    for (const top of new Set([...(active === undefined ? [] : [active]), ...named])) {
      await walk(top);
    }
  }
  return { layers: [...layers.values()] };
}

/** Layers of a disk that Now, a checkpoint, the trash or a linked clone names. */
export function namedLayers(records: MachineRecords, disk: string): Set<string> {
  const tops: LayerOfDisk[] = [
    records.now.activeLayers,
    ...records.checkpoints.map(({ layers }: Checkpoint) => layers),
    ...records.trash.map(({ checkpoint }) => checkpoint.layers),
    ...records.clones.map(({ layers }) => layers),
  ];
  return new Set(tops.flatMap((layers) => layers[disk] ?? []));
}

/**
 * Layers that nothing stands on any more, and those below them that only they used. When a chain is broken, so that this
 * cannot be told for certain, there are none.
 * @returns absolute paths
 */
export async function releasableLayers(
  files: LayerFiles,
  records: MachineRecords,
  released: readonly string[],
): Promise<string[]> {
  const needed = released.length === 0 ? undefined : await neededFiles(files, records);
  if (needed === undefined) {
    return [];
  }
  const reader = new ChainReader(files);
  const releasable = new Set<string>();
  for (const disk of files.disks) {
    for (const layer of released.filter((one) => belongsTo(files, disk.id, one))) {
      const chain = await reader
        .chainOf(disk, layer)
        .catch((): Pick<ChainLayer, 'file' | 'layer'>[] => [{ file: files.fileOf(disk, layer), layer }]);
      for (const link of chain) {
        if (needed.has(link.file) || link.layer === undefined || link.layer === disk.base) {
          break;
        }
        releasable.add(link.file);
      }
    }
  }
  return [...releasable];
}

/** Removes what {@link releasableLayers} finds. @returns bytes freed */
export async function releaseLayers(
  folder: MachineFolder,
  files: LayerFiles,
  records: MachineRecords,
  released: readonly string[],
): Promise<number> {
  let freedBytes = 0;
  for (const file of await releasableLayers(files, records, released)) {
    freedBytes += await folder.removeFile(file);
  }
  return freedBytes;
}

function belongsTo(files: LayerFiles, disk: string, layer: string): boolean {
  const { place } = files.disk(disk);
  return place === undefined ? layer.startsWith(`layers/${disk}-`) : !layer.includes('/');
}

async function neededFiles(files: LayerFiles, records: MachineRecords): Promise<Set<string> | undefined> {
  try {
    const { layers } = await readLayerGraph(files, records, false);
    return new Set(layers.map(({ file }) => file));
  } catch (error) {
    if (error instanceof CheckpointError) {
      return undefined;
    }
    throw error;
  }
}
