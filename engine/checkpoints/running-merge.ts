import { stat } from 'node:fs/promises';
import type { Host, LiveMerge } from '../hosts/host.ts';
import type { MergeDirection } from '../disks/operations/merge.ts';
import { planRunningMerges, type TidyStep, type TreeLayer } from '../model/layer-tree.ts';
import type { LayerOfDisk } from '../model/machine.ts';
import { ChainReader, type ChainLayer } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';
import { twice } from './carry-out.ts';
import { hostOf, type Call, type EngineContext } from './engine-context.ts';
import { presentMachine } from './firmware-copy.ts';
import type { LayerGraph } from './layer-graph.ts';
import type { OpenMachine } from './locked-machine.ts';
import { executeRelink } from './relink.ts';
import { requireSpaceFor } from './space-check.ts';
import { changing, cheaperDirection, freezeAgain } from './tidy.ts';

/** A merge that a running machine's hypervisor can do. */
export interface RunningMergeDecision extends LiveMerge {
  upper: string;
  lower: string;
  /** That move, as far as can be told from outside. */
  bytes: number;
}

export interface MergeCall extends Call {
  /** Bytes a second, at most. */
  speed?: number;
  onBytes?: (doneBytes: number, totalBytes: number) => void;
}

/**
 * Decides which two layers of a running machine to merge next, if any; changes nothing. Only qcow2 layers of one size: of others
 * QEMU keeps apart less than we do, and they wait until the machine is stopped.
 */
export async function decideRunningMerge(
  files: LayerFiles,
  layers: readonly TreeLayer[],
  active: LayerOfDisk,
  call: Call,
): Promise<RunningMergeDecision | undefined> {
  for (const step of planRunningMerges(layers)) {
    const { upper, lower } = step;
    const chain = await chainOf(files, step.disk, active);
    const at = chain.findIndex(({ layer }) => layer === upper);
    if (isSuited(files, step, chain[at], chain[at + 1])) {
      const { direction, bytes } = await cheaperWhileRunning(files, step, active, call);
      const [from, to] = direction === 'ancestor' ? [upper, lower] : [lower, upper];
      return { disk: step.disk, upper, lower, from, to, direction, isOfActive: active[step.disk] === from, bytes };
    }
  }
  return undefined;
}

type MergeStep = Extract<TidyStep, { kind: 'merge' }>;

function isSuited(
  files: LayerFiles,
  { disk, lower }: MergeStep,
  above: ChainLayer | undefined,
  below: ChainLayer | undefined,
): boolean {
  return (
    files.disk(disk).place === undefined &&
    below?.layer === lower &&
    above?.format === 'qcow2' &&
    below.format === 'qcow2' &&
    above.header.virtualSizeBytes === below.header.virtualSizeBytes
  );
}

/** The tables of a layer that a guest writes to are not all on the disk, so its file's size has to do. */
async function cheaperWhileRunning(
  files: LayerFiles,
  { disk: id, upper, lower }: MergeStep,
  active: LayerOfDisk,
  call: Call,
): Promise<{ direction: MergeDirection; bytes: number }> {
  const disk = files.disk(id);
  if (active[id] !== upper) {
    return cheaperDirection(files.fileOf(disk, upper), { upper: 1, lower: 1 }, disk, call);
  }
  return smallerFiles(await bytesOf(files.fileOf(disk, upper)), await bytesOf(files.fileOf(disk, lower)));
}

/** The direction that moves fewer bytes, by what the files of both layers take on their volume. */
export function smallerFiles(upper: number, lower: number): { direction: MergeDirection; bytes: number } {
  return upper < lower ? { direction: 'ancestor', bytes: upper } : { direction: 'child', bytes: lower };
}

/**
 * Merges two layers that a running machine has open, through its hypervisor. To be called with the machine locked. Whatever
 * happens in between, disks read as before: `recover` ends what is left of it.
 * @throws NotEnoughSpace, GuestTooBusy, QemuFailed, QmpTimeout, and the signal's reason; the layers are as before then
 */
export async function mergeRunning(
  context: EngineContext,
  { folder, records, presence }: OpenMachine,
  graph: LayerGraph,
  decided: RunningMergeDecision,
  call: MergeCall,
): Promise<{ movedBytes: number; freedBytes: number }> {
  const { definition, now } = records;
  const { disk: id, from, to, direction, bytes } = decided;
  const host = hostOf(context, definition);
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const disk = files.disk(id);
  const toFile = files.fileOf(disk, to);
  const before = { from: await bytesOf(files.fileOf(disk, from)), to: await bytesOf(toFile) };
  const growsBytes = Math.min(bytes, Math.max(0, disk.virtualSizeBytes - before.to));
  await requireSpaceFor(
    context,
    `Merging layers of “${definition.name}”`,
    [{ folder: files.folderOf(disk), bytes: growsBytes }],
    { folder, records },
  );
  const after = decided.isOfActive ? { ...now, activeLayers: { ...now.activeLayers, [id]: to } } : now;
  const wasRunning = presence.state === 'running';
  await folder.writeJournal({
    operation: 'merge',
    started: new Date().toISOString(),
    after,
    reusesLayers: false,
    wasRunning,
    runsAfterwards: wasRunning,
    releasedLayers: [],
    relink: { disk: id, from, to, direction },
  });
  let failure = new Error('QEMU says that it merged the layers, and has them both.');
  try {
    const above = graph.layers.find((one) => one.disk === id && one.isBusy && one.parent === decided.upper);
    const written = direction === 'ancestor' ? [to, ...(above === undefined ? [] : [above.layer])] : [to];
    await changing(
      files,
      disk,
      written.filter((layer) => layer !== now.activeLayers[id]),
    );
    const draft = decided.isOfActive ? await folder.draftNow(after) : undefined;
    try {
      await host.mergeLive(presentMachine(folder, definition, now), {
        ...decided,
        ...(call.speed === undefined ? {} : { speed: call.speed }),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
        ...(call.onBytes === undefined ? {} : { onProgress: call.onBytes }),
        whileWritesWait: async () => draft?.place(),
      });
    } finally {
      draft?.drop();
    }
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  const merged = await twice(folder, async () => {
    const journal = await folder.readJournal();
    return journal === undefined || endRunningMerge(host, folder, await folder.read(), journal);
  });
  await folder.clearJournal();
  if (!merged) {
    throw failure;
  }
  return { movedBytes: bytes, freedBytes: Math.max(0, before.from + before.to - (await bytesOf(toFile))) };
}

/**
 * Ends a merge in a running machine from whichever step it got to: a hypervisor that lives is asked which layers it has, and
 * when it does not, the images' own headers tell. Safe to repeat.
 * @returns whether the layers are merged; otherwise they are as before
 */
export async function endRunningMerge(
  host: Host,
  folder: MachineFolder,
  records: MachineRecords,
  journal: JournalRecord,
): Promise<boolean> {
  const { relink, after } = journal;
  if (relink === undefined) {
    return false;
  }
  const { definition, now } = records;
  const { disk: id, from, to, direction } = relink;
  const isOfActive = direction === 'ancestor' && after.activeLayers[id] === to;
  const isDecided = !isOfActive || now.activeLayers[id] === to;
  const running = await host.endMerge(presentMachine(folder, definition, now), { ...relink, isOfActive }, isDecided);
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const chain = await chainOf(files, id, now.activeLayers);
  const merged = running ?? !chain.some(({ layer }) => layer === from);
  const active = merged ? to : from;
  if (isOfActive && now.activeLayers[id] !== active) {
    await folder.writeNow({ ...now, activeLayers: { ...now.activeLayers, [id]: active } });
  }
  if (merged) {
    await executeRelink(folder, await folder.read(), journal);
  }
  await freezeWritten(folder, id, [from, to], direction);
  return merged;
}

/** What was open for writing, and the layer that may have been told of another parent, are frozen again. */
async function freezeWritten(
  folder: MachineFolder,
  id: string,
  layers: readonly string[],
  direction: MergeDirection,
): Promise<void> {
  const { definition, now } = await folder.read();
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const chain = await chainOf(files, id, now.activeLayers);
  const above = chain[chain.findIndex(({ layer }) => layer !== undefined && layers.includes(layer)) - 1]?.layer;
  const written = direction === 'ancestor' && above !== undefined ? [...layers, above] : layers;
  await freezeAgain(files, files.disk(id), written, now.activeLayers);
}

async function chainOf(files: LayerFiles, id: string, active: LayerOfDisk): Promise<ChainLayer[]> {
  const disk = files.disk(id);
  return new ChainReader(files).chainOf(disk, files.layerOf(active, disk));
}

async function bytesOf(file: string): Promise<number> {
  return (await stat(file)).blocks * 512;
}
