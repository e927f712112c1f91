import { CheckpointError } from '../model/checkpoint-error.ts';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { EngineContext } from './engine-context.ts';
import { readLayerGraph } from './layer-graph.ts';
import type { OpenMachine } from './locked-machine.ts';

/**
 * Files that lie beside another program's disks for the checkpoints of a machine, and that its Now does not stand on: what
 * has to go with the machine. None where a chain is broken, so that this cannot be told for certain.
 */
export async function layersBeside(context: EngineContext, { folder, records }: OpenMachine): Promise<string[]> {
  const { definition, now } = records;
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const placed = files.disks.filter(({ place }) => place !== undefined);
  try {
    const reader = new ChainReader(files);
    const needed = new Set<string>();
    for (const disk of placed) {
      (await reader.chainOf(disk, files.layerOf(now.activeLayers, disk))).forEach(({ file }) => needed.add(file));
    }
    const { layers } = placed.length === 0 ? { layers: [] } : await readLayerGraph(files, records, false);
    const ids = new Set(placed.map(({ id }) => id));
    return layers.filter(({ disk, file }) => ids.has(disk) && !needed.has(file)).map(({ file }) => file);
  } catch (error) {
    if (!(error instanceof CheckpointError)) {
      throw error;
    }
    context.log.error(`The layers of ${folder.path} stay beside its disks: ${error.message}`);
    return [];
  }
}
