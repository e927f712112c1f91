import { stat } from 'node:fs/promises';
import type { MergeDirection } from '../disks/operations/merge.ts';
import type { Checkpoint, TrashedCheckpoint } from '../model/checkpoint.ts';
import { afterMerge, planRunningMerges, planTidying, type TreeLayer } from '../model/layer-tree.ts';
import { freedBy } from '../model/space.ts';
import type { FreedBytes } from '../protocol/space.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineRecords } from '../store/machine-folder.ts';
import { decideDelete, type DeleteDecision } from './delete.ts';
import type { Call } from './engine-context.ts';
import { readLayerGraph, releasableLayers } from './layer-graph.ts';
import type { OpenMachine } from './locked-machine.ts';
import { readLayerTree } from './machine-space.ts';
import { smallerFiles } from './running-merge.ts';
import { needsToPurge, type SpaceNeed } from './space-check.ts';
import { cheaperDirection } from './tidy.ts';

/** What is to go for good: out of the tree, or out of the trash. */
export interface Doomed {
  checkpoints: readonly Checkpoint[];
  trashed: readonly TrashedCheckpoint[];
}

/** A merge that tidying will do. */
export interface MergeDecision {
  disk: string;
  /** Absolute paths, as they are before. */
  from: string;
  into: string;
  direction: MergeDirection;
  bytes: number;
  /** The file that is there no more afterwards. */
  removed: { path: string; bytes: number };
  /** The layer that takes the place which another program knows, once it stands for both. */
  renamed?: { from: string; to: string };
}

/** What a delete for good will do, in order. */
export interface PurgeDecision {
  needs: SpaceNeed[];
  freed: FreedBytes;
  deleted: DeleteDecision;
  discarded: TrashedCheckpoint[];
  removed: { what: 'layer' | 'memory'; path: string; bytes: number }[];
  merges: MergeDecision[];
}

/** Decides what a delete for good does; changes nothing. @throws what `ChainReader.chainOf` throws, for a chain that is broken */
export async function decidePurge(machine: OpenMachine, doomed: Doomed, call: Call): Promise<PurgeDecision> {
  const { folder, records } = machine;
  const deleted = decideDelete(records, doomed.checkpoints, new Date());
  const discarded = [...deleted.trashed, ...doomed.trashed];
  const gone = new Set(discarded.map(({ checkpoint }) => checkpoint.id));
  const needs = await needsToPurge(machine, gone);
  const freed = freedBy(await readLayerTree(folder, records), gone);
  const left: MachineRecords = {
    ...records,
    checkpoints: records.checkpoints.filter(({ id }) => !gone.has(id)),
    trash: records.trash.filter(({ checkpoint }) => !gone.has(checkpoint.id)),
  };
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const released = discarded.flatMap(({ checkpoint }) => Object.values(checkpoint.layers));
  const removed: PurgeDecision['removed'] = [];
  for (const { checkpoint } of discarded) {
    if (checkpoint.memory !== undefined) {
      const path = folder.inner(checkpoint.memory.file);
      removed.push({ what: 'memory', path, bytes: await bytesOf(path) });
    }
  }
  for (const path of await releasableLayers(files, left, released)) {
    removed.push({ what: 'layer', path, bytes: await bytesOf(path) });
  }
  const merges = await decideMerges(files, left, machine.presence.state !== 'stopped', call);
  return { needs, freed, deleted, discarded, removed, merges };
}

/** A layer as it will be, with the files that will be one by then, the uppermost first. */
interface MergedLayer extends TreeLayer {
  run: string[];
  /** Of these, the one that stays. */
  file: string;
}

/** The merges that tidying will do, one after the other. */
export async function decideMerges(
  files: LayerFiles,
  records: MachineRecords,
  isUp: boolean,
  call: Call,
): Promise<MergeDecision[]> {
  const graph = await readLayerGraph(files, records, isUp);
  let layers: MergedLayer[] = graph.layers.map((layer) => ({ ...layer, run: [layer.file] }));
  const decided: MergeDecision[] = [];
  for (;;) {
    const step =
      planTidying(layers).find(({ kind }) => kind === 'merge') ??
      planRunningMerges(layers).find(({ disk }) => (files.disk(disk).format ?? 'qcow2') === 'qcow2');
    if (step?.kind !== 'merge') {
      return decided;
    }
    const named = (name: string): MergedLayer | undefined =>
      layers.find(({ disk, layer }) => disk === step.disk && layer === name);
    const [upper, lower] = [named(step.upper), named(step.lower)];
    if (upper === undefined || lower === undefined) {
      return decided;
    }
    const disk = files.disk(step.disk);
    const runs = { upper: upper.run.length, lower: lower.run.length };
    const isWritten = upper.isBusy && upper.layer === records.now.activeLayers[step.disk];
    const { direction, bytes } = isWritten
      ? smallerFiles(await bytesOfAll(upper.run), await bytesOfAll(lower.run))
      : await cheaperDirection(upper.run[0] ?? upper.file, runs, disk, call);
    const [from, into] = direction === 'ancestor' ? [upper, lower] : [lower, upper];
    const takesPlace = from.file === disk.place;
    const lost = takesPlace ? into.file : from.file;
    decided.push({
      disk: disk.id,
      from: from.file,
      into: into.file,
      direction,
      bytes,
      removed: { path: lost, bytes: await bytesOf(lost) },
      ...(takesPlace ? { renamed: { from: into.file, to: from.file } } : {}),
    });
    const file = takesPlace ? from.file : into.file;
    layers = afterMerge(layers, step, into.layer).map((one) =>
      one.disk === disk.id && one.layer === into.layer ? { ...one, file, run: [...upper.run, ...lower.run] } : one,
    );
  }
}

async function bytesOfAll(files: readonly string[]): Promise<number> {
  return (await Promise.all(files.map(bytesOf))).reduce((sum, bytes) => sum + bytes, 0);
}

/** Bytes that a file takes on its volume; none when it is not there. */
async function bytesOf(file: string): Promise<number> {
  return stat(file).then(
    ({ blocks }) => blocks * 512,
    () => 0,
  );
}
