import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { ownFilesOf, presentFiles, type Checkpoint } from '../model/checkpoint.ts';
import { systemCode } from '../model/checkpoint-error.ts';
import type { LayerOfDisk } from '../model/machine.ts';
import type { LayerHolder, LayerTree, StoredLayer } from '../model/space.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { readLayerGraph } from './layer-graph.ts';

/**
 * The layers of a machine with what they take on their volume, and what holds them. Layers in its folder that nothing
 * stands on are among them.
 * @param device of a volume: what lies on others counts as taking nothing
 * @throws what `ChainReader.chainOf` throws, for any chain that is broken
 */
export async function readLayerTree(
  folder: MachineFolder,
  records: MachineRecords,
  device?: number,
): Promise<LayerTree> {
  const { definition, now, checkpoints, trash, clones } = records;
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const graph = await readLayerGraph(files, records, false);
  const fileOf = new Map(graph.layers.map(({ disk, layer, file }) => [`${disk}\0${layer}`, file]));
  const layers: StoredLayer[] = [];
  for (const { disk, file, parent } of graph.layers) {
    const below = parent === undefined ? undefined : fileOf.get(`${disk}\0${parent}`);
    layers.push({
      file,
      ...(below === undefined ? {} : { parent: below }),
      allocatedBytes: await allocatedBytes(file, device),
      virtualSizeBytes: files.disk(disk).virtualSizeBytes,
    });
  }
  const known = new Set(layers.map(({ file }) => file));
  for (const name of await readdir(folder.inner('layers')).catch(() => [])) {
    const file = path.join(folder.inner('layers'), name);
    if (!known.has(file)) {
      layers.push({ file, allocatedBytes: await allocatedBytes(file, device), virtualSizeBytes: 0 });
    }
  }
  const filesOf = (set: LayerOfDisk): string[] =>
    files.disks.flatMap((disk) => (set[disk.id] === undefined ? [] : [files.fileOf(disk, files.layerOf(set, disk))]));
  // What the machine was made with stays, as if Now named it.
  const bases = files.disks.flatMap((disk) => (disk.base === undefined ? [] : [files.fileOf(disk, disk.base)]));
  const holderOf = async (kind: 'checkpoint' | 'trash', one: Checkpoint): Promise<LayerHolder> => ({
    kind,
    id: one.id,
    name: one.name,
    layers: filesOf(one.layers),
    ownFileBytes: await allocatedTogether(
      ownFilesOf(one).map((file) => folder.inner(file)),
      device,
    ),
  });
  const holders: LayerHolder[] = [
    {
      kind: 'now',
      id: 'now',
      name: 'Now',
      layers: [...filesOf(now.activeLayers), ...bases],
      ownFileBytes:
        (now.firmware === undefined ? 0 : await allocatedIn(folder.inner(now.firmware), device)) +
        (await allocatedTogether(
          ownFilesOf(presentFiles(now)).map((file) => folder.inner(file)),
          device,
        )),
    },
    ...(await Promise.all(checkpoints.map((one) => holderOf('checkpoint', one)))),
    ...(await Promise.all(trash.map(({ checkpoint }) => holderOf('trash', checkpoint)))),
    ...clones.map((clone): LayerHolder => ({
      kind: 'clone',
      id: clone.machine,
      name: clone.name,
      layers: filesOf(clone.layers),
      ownFileBytes: 0,
    })),
  ];
  return { layers, holders };
}

/** Bytes that all files of a folder take; none when it is not there. */
async function allocatedIn(folder: string, device: number | undefined): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  return allocatedTogether(
    files.map((entry) => path.join(entry.parentPath, entry.name)),
    device,
  );
}

async function allocatedTogether(files: readonly string[], device: number | undefined): Promise<number> {
  const sizes = await Promise.all(files.map((file) => allocatedBytes(file, device)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Bytes that a file takes on its volume; none when it is not there, or on another than the one that is asked for. */
async function allocatedBytes(file: string, device: number | undefined): Promise<number> {
  try {
    const { blocks, dev } = await stat(file);
    return device === undefined || device === dev ? blocks * 512 : 0;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return 0;
    }
    throw error;
  }
}
