import { lstatSync } from 'node:fs';
import path from 'node:path';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { EngineContext } from './engine-context.ts';
import { machineFolders } from './machine-folders.ts';
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

/**
 * The disks of a machine of another program stay when it is removed. Those of a linked clone would be of no use soon: nothing
 * would keep the layers that they stand on.
 * @throws NotSupported for such a clone whose disks are there
 */
export async function requireNotLinked(context: EngineContext, { records }: OpenMachine): Promise<void> {
  const { id, name, disks } = records.definition;
  const left = disks.flatMap(({ place, externalBase }) =>
    place === undefined || externalBase === undefined || lstatSync(place, { throwIfNoEntry: false }) === undefined
      ? []
      : [place],
  );
  for (const other of left.length === 0 ? [] : await machineFolders(context)) {
    const source = (await other.readClones().catch(() => [])).some(({ machine }) => machine === id);
    if (source) {
      throw new CheckpointError(
        'NotSupported',
        `The disks of “${name}” would stay, and stand on those of “${path.basename(other.path)}”, which keeps them only for a machine. ` +
          `Make “${name}” independent first (ckpt flatten ${name}), or delete its disks before: ${left.join(', ')}.`,
        { machine: name, files: left },
      );
    }
  }
}
