import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { LayerOfDisk, MachineDisk } from '../model/machine.ts';
import { byCreation, findCheckpoint } from '../model/tree.ts';
import type { ChainTops, LayerInfo, LayerOperations, LayerRole } from '../protocol/layers.ts';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineRecords } from '../store/machine-folder.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { readMachine } from './locked-machine.ts';
import { findMachine } from './open-machine.ts';

type Point = Omit<ChainTops, 'tops'> & { layers: LayerOfDisk };
type Placed = Pick<LayerInfo, 'role' | 'of'>;

/** Tells what the disks of machines consist of. Nothing is locked and nothing is written. */
export class LayerService {
  readonly #context: EngineContext;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /** @throws what {@link ChainReader.chainOf} throws, for any chain that is broken */
  async layers(
    { machine, checkpoint }: LayerOperations['layers']['params'],
    { signal }: Call,
  ): Promise<LayerOperations['layers']['result']> {
    const folder = await findMachine(this.#context, machine);
    const name = path.basename(folder.path);
    const records = await readMachine(folder);
    const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
    const points = pointsOf(records, name, checkpoint);
    const reader = new ChainReader(files);
    const layers = new Map<string, LayerInfo>();
    for (const disk of files.disks) {
      for (const top of new Set(points.map((point) => files.layerOf(point.layers, disk)))) {
        signal?.throwIfAborted();
        const chain = await reader.chainOf(disk, top);
        for (const [at, { file, format, layer, header }] of chain.entries()) {
          if (layers.has(file)) {
            // What it stands on is known, too.
            break;
          }
          const parent = chain[at + 1]?.file;
          layers.set(file, {
            file,
            disk: disk.id,
            format,
            ...roleOf(records, disk, layer),
            virtualSizeBytes: header.virtualSizeBytes,
            allocatedBytes: (await stat(file)).blocks * 512,
            ...(parent === undefined ? {} : { parent }),
          });
        }
      }
    }
    return {
      machine: name,
      points: points.map(({ layers: tops, ...point }) => ({
        ...point,
        tops: files.disks.map((disk) => ({ disk: disk.id, file: files.fileOf(disk, files.layerOf(tops, disk)) })),
      })),
      layers: [...layers.values()],
    };
  }
}

function pointsOf({ now, checkpoints }: MachineRecords, machine: string, reference: string | undefined): Point[] {
  const wanted =
    reference === undefined ? byCreation(checkpoints) : [findCheckpoint({ machine, checkpoints, now }, reference)];
  return [
    ...(reference === undefined ? [{ kind: 'now', name: 'Now', layers: now.activeLayers } as const] : []),
    ...wanted.map(({ id, name, layers }): Point => ({ kind: 'checkpoint', id, name, layers })),
  ];
}

/** @param layer absent for a file outside of the machine */
function roleOf(
  { now, checkpoints, trash, clones }: MachineRecords,
  disk: MachineDisk,
  layer: string | undefined,
): Placed {
  const named = (points: readonly { name: string; layers: LayerOfDisk }[]): string[] =>
    points.filter(({ layers }) => layers[disk.id] === layer).map(({ name }) => name);
  if (layer === undefined) {
    return { role: 'outside', of: [] };
  }
  if (now.activeLayers[disk.id] === layer) {
    return { role: 'active', of: [] };
  }
  const holders: [LayerRole, string[]][] = [
    ['checkpoint', named(byCreation(checkpoints))],
    ['trash', named(trash.map(({ checkpoint }) => checkpoint))],
    ['clone', named(clones)],
  ];
  const [role, of] = holders.find(([, names]) => names.length > 0) ?? [disk.base === layer ? 'base' : 'hidden', []];
  return { role, of };
}
