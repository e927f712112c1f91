import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { compare } from '../disks/operations/compare.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { definitionDifferences } from '../model/definition-differences.ts';
import { findCheckpoint } from '../model/tree.ts';
import { defaultRangeLimit, type CompareOperations, type DiskDifference } from '../protocol/compare.ts';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { signalOf, type Call, type EngineContext } from './engine-context.ts';
import { readMachine } from './locked-machine.ts';
import { viewCheckpoint } from './machine-summary.ts';
import { findMachine } from './open-machine.ts';
import { allowed } from './tidy.ts';

/** Two checkpoints of a machine as they are on record at one moment. */
interface Pair {
  name: string;
  files: LayerFiles;
  checkpoint: Checkpoint;
  other: Checkpoint;
}

/** Compares checkpoints. Nothing is locked and nothing is written: what is frozen can be read while the machine runs. */
export class CompareService {
  readonly #context: EngineContext;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /**
   * @throws CheckpointNotFound, AmbiguousName, Locked when layers of the two were merged meanwhile, and what
   * {@link ChainReader.chainOf} throws for a chain that is broken
   */
  async compare(
    params: CompareOperations['compare']['params'],
    call: Call,
  ): Promise<CompareOperations['compare']['result']> {
    const folder = await findMachine(this.#context, params.machine);
    const pair = await readPair(folder, params);
    const { name, checkpoint, other } = pair;
    const before = await layersOf(pair);
    const disks: DiskDifference[] = [];
    for (const id of new Set([...Object.keys(checkpoint.layers), ...Object.keys(other.layers)])) {
      disks.push(await compareDisk(pair, id, params.limit ?? defaultRangeLimit, call));
    }
    if (!isDeepStrictEqual(await layersOf(await readPair(folder, params)), before)) {
      throw new CheckpointError(
        'Locked',
        `Layers of “${checkpoint.name}” or “${other.name}” were changed while they were compared. Compare them again.`,
        { machine: name },
      );
    }
    const settings = definitionDifferences(checkpoint.definition, other.definition);
    return {
      machine: name,
      checkpoint: viewCheckpoint(checkpoint),
      other: viewCheckpoint(other),
      isSame: settings.length === 0 && disks.every(({ isSame }) => isSame),
      disks,
      settings,
    };
  }
}

async function readPair(
  folder: MachineFolder,
  params: Pick<CompareOperations['compare']['params'], 'checkpoint' | 'other'>,
): Promise<Pair> {
  const { definition, checkpoints, now } = await readMachine(folder);
  const tree = { machine: definition.name, checkpoints, now };
  return {
    name: definition.name,
    files: new LayerFiles(folder, definition, now.activeLayers),
    checkpoint: findCheckpoint(tree, params.checkpoint),
    other: findCheckpoint(tree, params.other),
  };
}

/** What the two are read from, verified: every file with what tells that it was written. */
async function layersOf({ files, checkpoint, other }: Pair): Promise<object[]> {
  const reader = new ChainReader(files);
  const found: object[] = [];
  for (const { layers } of [checkpoint, other]) {
    for (const id of Object.keys(layers)) {
      const disk = files.disk(id);
      for (const { file } of await reader.chainOf(disk, files.layerOf(layers, disk))) {
        const { ino, size, mtimeMs } = await stat(file);
        found.push({ file, ino, size, mtimeMs });
      }
    }
  }
  return found;
}

async function compareDisk(
  { files, checkpoint, other }: Pair,
  id: string,
  limit: number,
  call: Call,
): Promise<DiskDifference> {
  const disk = files.disk(id);
  const { virtualSizeBytes } = disk;
  const nothing = { disk: id, isSame: false, differingBytes: 0, differingRanges: 0, ranges: [], virtualSizeBytes };
  const [layer, otherLayer] = [checkpoint.layers[id], other.layers[id]];
  if (layer === undefined || otherLayer === undefined) {
    return { ...nothing, in: layer === undefined ? 'other' : 'checkpoint' };
  }
  if (layer === otherLayer) {
    return { ...nothing, in: 'both', isSame: true };
  }
  const ranges: DiskDifference['ranges'] = [];
  const result = await compare(files.fileOf(disk, layer), files.fileOf(disk, otherLayer), {
    ...allowed(disk),
    ...signalOf(call),
    onProgress: (doneBytes, totalBytes) =>
      call.report?.(`Comparing ${id}`, totalBytes === 0 ? 1 : doneBytes / totalBytes, { doneBytes, totalBytes }),
    onDifference: (range) => {
      if (ranges.length < limit) {
        ranges.push(range);
      }
    },
  });
  const { isSame, differingBytes, differingRanges } = result;
  return {
    disk: id,
    in: 'both',
    isSame,
    differingBytes,
    differingRanges,
    ranges,
    virtualSizeBytes: Math.max(result.virtualSizeBytes.a, result.virtualSizeBytes.b),
  };
}
