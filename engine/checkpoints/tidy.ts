import { chmod, stat } from 'node:fs/promises';
import type { Layer } from '../disks/disk.ts';
import { openChain, openLayer } from '../disks/open-chain.ts';
import { bytesToMergeRuns, mergeIntoAncestor, mergeIntoChild, type MergeDirection } from '../disks/operations/merge.ts';
import { planTidying, type TidyStep } from '../model/layer-tree.ts';
import type { LayerOfDisk, MachineDisk } from '../model/machine.ts';
import { foldersOf } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineRecords } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';
import { carryOut } from './carry-out.ts';
import { hostOf, signalOf, type Call, type EngineContext } from './engine-context.ts';
import { readLayerGraph, type LayerGraph } from './layer-graph.ts';
import { freeze } from './layers.ts';
import { readMachine, type OpenMachine } from './locked-machine.ts';
import { executeRelink } from './relink.ts';
import { requireSpaceFor } from './space-check.ts';

export interface Tidied {
  removedLayers: number;
  mergedLayers: number;
  movedBytes: number;
  freedBytes: number;
}

/**
 * Makes hidden layers go where they can: what nothing stands on is removed, what one layer stands on is merged with it, in
 * the direction that moves fewer bytes. While data moves, the chain reads as before at every instant, so that after an
 * interruption the layers only have to be made read-only again: the next time starts with what is left.
 */
export async function tidy(context: EngineContext, machine: OpenMachine, call: Call): Promise<Tidied> {
  const { folder } = machine;
  const isUp = machine.presence.state !== 'stopped';
  const tidied: Tidied = { removedLayers: 0, mergedLayers: 0, movedBytes: 0, freedBytes: 0 };
  for (;;) {
    const records = await readMachine(folder);
    const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
    const graph = await readLayerGraph(files, records, isUp);
    const steps = planTidying(graph.layers);
    if (steps.length === 0) {
      return tidied;
    }
    for (const step of steps) {
      call.signal?.throwIfAborted();
      const disk = files.disk(step.disk);
      if (step.kind === 'remove') {
        tidied.freedBytes += await folder.removeFile(files.fileOf(disk, step.layer));
        tidied.removedLayers += 1;
      } else {
        await hostOf(context, records.definition).requireUnused({
          folder,
          definition: records.definition,
          layers: records.now.activeLayers,
        });
        const { movedBytes, freedBytes } = await mergeHidden(context, files, records, graph, disk, step, call);
        tidied.movedBytes += movedBytes;
        tidied.freedBytes += freedBytes;
        tidied.mergedLayers += 1;
        // The layers stand otherwise now.
        break;
      }
    }
  }
}

async function mergeHidden(
  context: EngineContext,
  files: LayerFiles,
  records: MachineRecords,
  graph: LayerGraph,
  disk: MachineDisk,
  step: Extract<TidyStep, { kind: 'merge' }>,
  call: Call,
): Promise<{ movedBytes: number; freedBytes: number }> {
  const { folder } = files;
  const upper = files.fileOf(disk, step.upper);
  const lower = files.fileOf(disk, step.lower);
  const options = { format: disk.format ?? ('qcow2' as const), ...allowed(disk) };
  const { direction, bytes } = await cheaperDirection(upper, { upper: 1, lower: 1 }, disk, call);
  const larger = (await stat(direction === 'ancestor' ? lower : upper)).blocks * 512;
  const growsBytes = Math.min(bytes, Math.max(0, disk.virtualSizeBytes - larger));
  await requireSpaceFor(
    context,
    `Merging layers of “${records.definition.name}”`,
    [{ folder: files.folderOf(disk), bytes: growsBytes }],
    { folder, records },
  );
  const sizeBefore = await sizes(upper, lower);
  const children = graph.layers.filter((one) => one.disk === disk.id && one.parent === step.upper);
  const [from, to] = direction === 'ancestor' ? [step.upper, step.lower] : [step.lower, step.upper];
  const journal: Omit<JournalRecord, 'version'> = {
    operation: 'relink',
    started: new Date().toISOString(),
    after: records.now,
    reusesLayers: false,
    wasRunning: false,
    runsAfterwards: false,
    releasedLayers: [],
    relink: { disk: disk.id, from, to, direction },
  };
  // Where it is cut off: the lower layer goes if nothing needs it any more, which is how a merge into the child ends; else both stand as before.
  const cutOff: typeof journal = {
    ...journal,
    relink: { disk: disk.id, from: step.lower, to: step.upper, direction: 'child' },
  };
  await folder.writeJournal(cutOff);
  await changing(files, disk, [step.upper, step.lower]);
  const chain = await openChain(upper, { ...options, access: (depth) => (depth < 2 ? 'write' : 'read') });
  let movedBytes: number;
  try {
    if (direction === 'child') {
      for (const child of children) {
        await expectChange(files, disk, child, chain.top, records.now.activeLayers);
      }
    }
    const long = {
      ...(call.signal === undefined ? {} : { signal: call.signal }),
      onProgress: (doneBytes: number, totalBytes: number) =>
        call.report?.('Merging layers', totalBytes === 0 ? 1 : doneBytes / totalBytes, { doneBytes, totalBytes }),
    };
    ({ movedBytes } = await (direction === 'ancestor'
      ? mergeIntoAncestor(chain, 1, long)
      : mergeIntoChild(chain, 1, long)));
  } catch (error) {
    await chain.close();
    const isMerged = await executeRelink(folder, await folder.read(), cutOff);
    await folder.clearJournal();
    if (!isMerged) {
      throw error;
    }
    // It failed at what comes after its end.
    return { movedBytes: bytes, freedBytes: Math.max(0, sizeBefore - (await sizes(upper))) };
  }
  await chain.close();
  await carryOut(folder, journal, async () => executeRelink(folder, await folder.read(), journal));
  const kept = await readMachine(folder);
  const after = new LayerFiles(folder, kept.definition, kept.now.activeLayers);
  const sizeAfter = await sizes(after.fileOf(disk, to));
  return { movedBytes, freedBytes: Math.max(0, sizeBefore - sizeAfter) };
}

/** Where a disk's chain goes on outside of its machine, for opening it. */
export function allowed({ externalBase }: MachineDisk): { allowParents?: string[] } {
  return externalBase === undefined ? {} : { allowParents: foldersOf(externalBase) };
}

/**
 * The direction that moves fewer bytes. On a tie the lower layer's data goes up: no child has to be told of another parent
 * then.
 * @param top file of the uppermost layer that takes part
 * @param upper how many layers from there count as the upper one, and `lower` as the one below
 */
export async function cheaperDirection(
  top: string,
  { upper, lower }: { upper: number; lower: number },
  disk: MachineDisk,
  call: Call,
): Promise<{ direction: MergeDirection; bytes: number }> {
  const chain = await openChain(top, { format: disk.format ?? 'qcow2', ...allowed(disk) });
  try {
    const bytes = await bytesToMergeRuns(chain, upper, lower, signalOf(call));
    const direction = bytes.ancestor < bytes.child ? 'ancestor' : 'child';
    return { direction, bytes: bytes[direction] };
  } finally {
    await chain.close();
  }
}

/** From here on these files may differ from what is on record of them, and may be written. */
export async function changing(files: LayerFiles, disk: MachineDisk, layers: readonly string[]): Promise<void> {
  const { layers: known } = await files.folder.readFrozen();
  await files.folder.writeFrozen(
    Object.fromEntries(Object.entries(known).filter(([layer]) => !layers.includes(layer))),
  );
  for (const layer of layers) {
    const file = files.fileOf(disk, layer);
    await chmod(file, (await stat(file)).mode | 0o200);
  }
}

/** A child has to match its parent as it is and as it will be: some formats tell a disk that was written to from before. */
export async function expectChange(
  files: LayerFiles,
  disk: MachineDisk,
  { layer, file }: { layer: string; file: string },
  parent: Layer,
  active: LayerOfDisk,
): Promise<void> {
  await changing(files, disk, [layer]);
  const child = await openLayer(file, 'write');
  try {
    await child.expectParentChange(parent);
    await child.flush();
  } finally {
    await child.close();
  }
  await freezeAgain(files, disk, [layer], active);
}

/** Whatever of these is not the active layer is not to be written any more. */
export async function freezeAgain(
  files: LayerFiles,
  disk: MachineDisk,
  layers: readonly string[],
  active: LayerOfDisk,
): Promise<void> {
  for (const layer of layers.filter((one) => active[disk.id] !== one)) {
    await freeze(files, { [disk.id]: layer });
  }
}

/** Bytes that files take on their volume. */
async function sizes(...all: string[]): Promise<number> {
  const found = await Promise.all(all.map((file) => stat(file)));
  return found.reduce((sum, { blocks }) => sum + blocks * 512, 0);
}
