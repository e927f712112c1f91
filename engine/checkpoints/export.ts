import { rm } from 'node:fs/promises';
import path from 'node:path';
import { requireFree } from '../disks/new-file.ts';
import { convert } from '../disks/operations/convert.ts';
import { ownFilesOf, presentFiles, type Checkpoint } from '../model/checkpoint.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { DiskFormat, MachineDefinition } from '../model/machine.ts';
import type { Params, Result } from '../protocol/operations.ts';
import { syncFolder, writeRecord } from '../store/atomic-file.ts';
import { readFirmware, readFirmwareOf, writeFirmware } from '../store/firmware-folder.ts';
import { LayerFiles } from '../store/layer-files.ts';
import { MachineFolder, type MachineRecords } from '../store/machine-folder.ts';
import { recordVersion, type ExportedDisks } from '../store/records.ts';
import { bootFiles, verifyChains } from './clone.ts';
import { definitionsOf } from './clone-records.ts';
import { isPlaced } from './disk-places.ts';
import { hostOf, signalOf, type Call, type EngineContext } from './engine-context.ts';
import { needOfCopies, needsOfBases } from './copy-space.ts';
import { copyFiles, sizeOfRegularFile, type FileCopy } from './file-copies.ts';
import { bytesBelow, copyBasesIn, dependsOnOthers, lowestLayers, standingAlone } from './flatten.ts';
import { fillPlacedExport, withoutPlaces } from './export-placed.ts';
import { readLayerGraph } from './layer-graph.ts';
import type { NewFolder } from './new-folder.ts';
import { makeExport } from './journaled-export.ts';
import { requireStopped, type OpenMachine } from './locked-machine.ts';
import { decideRelocation, type Relocation } from './relocate.ts';
import { requireSpaceFor, type SpaceNeed } from './space-check.ts';
import { allowed } from './tidy.ts';

/** What an export will make. */
export interface ExportDecision {
  /** Absolute. */
  folder: string;
  /** Absolute paths. */
  copies: FileCopy[];
  /** Layers into which goes what they stand on outside of the machine, in the copy. */
  filled: { disk: string; path: string; bytes: number }[];
  /** Images that are made of chains. */
  images: { disk: string; file: string }[];
  needs: SpaceNeed[];
  /** How layers are named in the export that lie where another program looks for them. */
  relocation?: Relocation;
}

/**
 * Decides what an export of a whole machine makes; changes nothing.
 * @throws NameInUse, MachineRunning, DiskInUse, NotEnoughSpace
 */
export async function decideExportMachine(
  context: EngineContext,
  machine: OpenMachine,
  target: string,
  call: Call,
): Promise<ExportDecision> {
  const { folder, records } = machine;
  const { definition, now } = records;
  requireStopped(machine, 'exporting it whole, or export one of its checkpoints');
  await hostOf(context, definition).requireUnused({ folder, definition, layers: now.activeLayers });
  const kept = exported(records);
  const place = await freePlace(target);
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const relocation = isPlaced(definition) ? await decideRelocation(files, kept, withoutPlaces) : undefined;
  const copies =
    relocation === undefined
      ? (await filesOf(folder, kept)).map((file) => ({ from: folder.inner(file), to: path.join(place, file) }))
      : relocation.layers.map(({ from, layer }) => ({ from, to: path.join(place, layer) }));
  const copyOf = new Map(copies.map(({ from, to }) => [from, to]));
  const lowest = dependsOnOthers(kept) ? await lowestLayers(files, kept) : [];
  const below = await bytesBelow(files, lowest);
  const sizes = await Promise.all(copies.map(({ from }) => sizeOfRegularFile(from)));
  const bases = await needsOfBases(files, kept, call);
  const needs = [{ folder: path.dirname(place), bytes: sum([...sizes, ...bases.map(({ bytes }) => bytes)]) }];
  await requireSpaceFor(context, `Exporting “${definition.name}”`, needs, machine);
  return {
    folder: place,
    copies,
    ...(relocation === undefined ? {} : { relocation }),
    filled: lowest.map(({ disk, file }, at) => ({
      disk: disk.id,
      path: copyOf.get(file) ?? file,
      bytes: below[at] ?? 0,
    })),
    images: [],
    needs,
  };
}

/**
 * Copies a stopped machine with its whole tree into a new folder, from which it can be imported anywhere: what it stands on
 * outside of its folder is copied in. What lies in its trash stays behind.
 * @throws as {@link decideExportMachine}
 */
export async function exportMachine(
  context: EngineContext,
  machine: OpenMachine,
  target: NewFolder,
  call: Call,
): Promise<Result<'export'>> {
  const { records } = machine;
  const { definition, now } = records;
  const decided = await decideExportMachine(context, machine, target.path, call);
  const kept = exported(records);
  const inner = decided.copies.map(({ to }) => path.relative(decided.folder, to));
  return makeExport(context, machine, target, async (staging) => {
    const copy = new MachineFolder(staging);
    await copy.create();
    const what = `Exporting “${definition.name}”`;
    if (decided.relocation !== undefined) {
      await fillPlacedExport(context, machine, decided.relocation, copy, call);
      return inner;
    }
    const copies = decided.copies.map(({ from }, at) => ({ from, to: path.join(staging, inner[at] ?? '') }));
    await copyFiles(context, { copies, folder: staging, what, own: machine }, call);
    await copyBasesIn(new LayerFiles(copy, definition, now.activeLayers), kept, call);
    for (const checkpoint of kept.checkpoints) {
      await copy.writeCheckpoint({ ...checkpoint, definition: standingAlone(checkpoint.definition) });
    }
    await copy.writeNow(now);
    await copy.writeDefinition(standingAlone(definition));
    // What frozen layers look like is another thing for each copy.
    await rm(path.join(staging, 'frozen.json'), { force: true });
    await Promise.all(['layers', 'memory', 'boot'].map((one) => syncFolder(copy.inner(one))));
    return inner;
  });
}

function exported(records: MachineRecords): MachineRecords {
  return { ...records, trash: [], clones: [] };
}

/** Decides what an export of a checkpoint's disks makes; changes nothing. @throws NameInUse, NotEnoughSpace, and for a chain that does not verify */
export async function decideExportCheckpoint(
  context: EngineContext,
  machine: OpenMachine,
  checkpoint: Checkpoint,
  target: string,
  to: DiskFormat,
  call: Call,
): Promise<ExportDecision> {
  const { folder, records } = machine;
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const place = await freePlace(target);
  await verifyChains(files, checkpoint);
  const needs = [await needOfCopies(machine, checkpoint, path.dirname(place), to, call)];
  await requireSpaceFor(context, `Exporting “${checkpoint.name}”`, needs, machine);
  return {
    folder: place,
    copies: [],
    filled: [],
    images: checkpoint.definition.disks.map(({ id }) => ({ disk: id, file: path.join(place, `${id}.${to}`) })),
    needs,
  };
}

/**
 * Makes one image of each disk of a checkpoint in a new folder, with what else it holds but for its memory.
 * @throws as {@link decideExportCheckpoint}, and what {@link convert} throws
 */
export async function exportCheckpoint(
  context: EngineContext,
  machine: OpenMachine,
  checkpoint: Checkpoint,
  target: NewFolder,
  to: DiskFormat,
  call: Call,
): Promise<Result<'export'>> {
  const { folder, records } = machine;
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const decided = await decideExportCheckpoint(context, machine, checkpoint, target.path, to, call);
  return makeExport(context, machine, target, async (staging) => {
    const disks: ExportedDisks['disks'] = [];
    for (const [at, { id }] of checkpoint.definition.disks.entries()) {
      const disk = files.disk(id);
      const layer = files.layerOf(checkpoint.layers, disk);
      const file = path.basename(decided.images[at]?.file ?? '');
      await convert(files.fileOf(disk, layer), path.join(staging, file), {
        to,
        flatten: true,
        ...allowed(disk),
        ...signalOf(call),
        onProgress: (doneBytes, totalBytes) =>
          call.report?.(`Copying ${id}`, totalBytes === 0 ? 1 : doneBytes / totalBytes, { doneBytes, totalBytes }),
      });
      disks.push({ id, file, format: to });
    }
    const copy = new MachineFolder(staging);
    const boot = bootFiles(checkpoint.definition);
    const copies = boot.map((file) => ({ from: folder.inner(file), to: copy.inner(file) }));
    await copyFiles(context, { copies, folder: staging, what: `Exporting “${checkpoint.name}”` }, call);
    const record: ExportedDisks = {
      version: recordVersion,
      kind: 'disks of a checkpoint',
      definition: withoutFiles(checkpoint.definition),
      checkpoint: aboutOf(checkpoint),
      ...(await copiedFirmware(folder, copy, checkpoint)),
      disks,
    };
    await writeRecord(copy.inner('machine.json'), record);
    return disks.map(({ file }) => file);
  });
}

function aboutOf({ name, notes, created, createdBy, consistency }: Checkpoint): ExportedDisks['checkpoint'] {
  return { name, ...(notes === undefined ? {} : { notes }), created, createdBy, consistency };
}

/** A definition whose disks say nothing of files. */
export function withoutFiles(definition: MachineDefinition): MachineDefinition {
  return { ...definition, disks: definition.disks.map(({ id, virtualSizeBytes }) => ({ id, virtualSizeBytes })) };
}

async function copiedFirmware(
  folder: MachineFolder,
  copy: MachineFolder,
  { firmware }: Checkpoint,
): Promise<Pick<ExportedDisks, 'firmware'>> {
  return firmware === undefined
    ? {}
    : { firmware: await writeFirmware(copy, firmware.folder, await readFirmwareOf(folder, firmware)) };
}

/** @throws InvalidArgument */
export function requireFormatOfCheckpoint({ checkpoint, to }: Params<'export'>): void {
  if (checkpoint === undefined && to !== undefined) {
    throw new CheckpointError(
      'InvalidArgument',
      'A whole machine keeps the format of its disks. Name a checkpoint to export its disks in another one.',
      { to },
    );
  }
}

async function freePlace(target: string): Promise<string> {
  const place = path.resolve(target);
  await requireFree(place);
  return place;
}

/** Layers, memory, firmware state and kernels that the points of a machine need, relative to its folder. */
export async function filesOf(folder: MachineFolder, records: MachineRecords): Promise<string[]> {
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const { layers } = await readLayerGraph(files, records, false);
  const own = [...records.checkpoints, presentFiles(records.now)].flatMap(ownFilesOf);
  const { firmware } = records.now;
  const present =
    firmware === undefined ? [] : (await readFirmware(folder, firmware)).map(({ name }) => `${firmware}/${name}`);
  const boot = definitionsOf(records).flatMap(bootFiles);
  return [...new Set([...layers.map(({ layer }) => layer), ...own, ...present, ...boot])];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
