import { readdir, stat } from 'node:fs/promises';
import { explainHidden } from '../model/hidden-layers.ts';
import type { LayerOfDisk } from '../model/machine.ts';
import { byCreation } from '../model/tree.ts';
import type { HiddenLayerInfo, NeedsLayer } from '../protocol/hidden-layers.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { isDraft } from '../store/record-drafts.ts';
import { namedLayers, readLayerGraph } from './layer-graph.ts';
import { layersBesidePlace } from './orphans.ts';

type Point = NeedsLayer & { layers: LayerOfDisk };

/**
 * What `show` tells of hidden layers. Where every file is the layer of some point, which is the rule, no image is opened.
 * @param isUp the machine runs or is paused
 * @returns undefined when it cannot be told, as a chain is broken: doctor says which
 */
export async function hiddenLayersOf(
  folder: MachineFolder,
  records: MachineRecords,
  isUp: boolean,
): Promise<HiddenLayerInfo[] | undefined> {
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  try {
    if (!(await hasUnnamedFile(files, records))) {
      return [];
    }
    const { layers } = await readLayerGraph(files, records, isUp);
    return await Promise.all(
      explainHidden(layers, pointsOf(records)).map(async ({ layer: { disk, file }, neededBy, why }) => ({
        disk,
        file,
        allocatedBytes: (await stat(file)).blocks * 512,
        neededBy: neededBy.map(({ layers: _layers, ...point }) => point),
        why,
      })),
    );
  } catch {
    // What is merged away at this moment, and what is broken: to be shown, a machine need not be whole.
    return undefined;
  }
}

function pointsOf({ now, checkpoints, trash, clones }: MachineRecords): Point[] {
  return [
    ...byCreation(checkpoints).map(({ id, name, layers }): Point => ({ kind: 'checkpoint', id, name, layers })),
    { kind: 'now', name: 'Now', layers: now.activeLayers },
    ...trash.map(({ checkpoint: { id, name, layers } }): Point => ({ kind: 'trash', id, name, layers })),
    ...clones.map(({ machine, name, layers }): Point => ({ kind: 'clone', id: machine, name, layers })),
  ];
}

async function hasUnnamedFile(files: LayerFiles, records: MachineRecords): Promise<boolean> {
  const inFolder = new Set<string>();
  for (const disk of files.disks) {
    const named = namedLayers(records, disk.id);
    if (disk.place === undefined) {
      named.forEach((layer) => inFolder.add(layer));
      inFolder.add(disk.base ?? '');
    } else if ((await layersBesidePlace(disk.place)).some((name) => !named.has(name))) {
      return true;
    }
  }
  const names = files.disks.every(({ place }) => place !== undefined)
    ? []
    : await readdir(files.folder.inner('layers')).catch(() => []);
  return names.some((name) => !isDraft(name) && !inFolder.has(`layers/${name}`));
}
