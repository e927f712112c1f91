import { rm } from 'node:fs/promises';
import path from 'node:path';
import { convert } from '../disks/operations/convert.ts';
import { ownFilesOf, type Checkpoint } from '../model/checkpoint.ts';
import type { DiskFormat, MachineDefinition } from '../model/machine.ts';
import type { Result } from '../protocol/operations.ts';
import { syncFolder, writeRecord } from '../store/atomic-file.ts';
import { readFirmware, readFirmwareOf, writeFirmware } from '../store/firmware-folder.ts';
import { requireFrozen } from '../store/frozen-layers.ts';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import { MachineFolder, type MachineRecords } from '../store/machine-folder.ts';
import { recordVersion, type ExportedDisks } from '../store/records.ts';
import { bootFiles, requireOwnLayers } from './clone.ts';
import { definitionsOf } from './clone-records.ts';
import { hostOf, signalOf, type Call, type EngineContext } from './engine-context.ts';
import { needOfCopies, needsOfBases } from './copy-space.ts';
import { copyFiles } from './file-copies.ts';
import { copyBasesIn, standingAlone } from './flatten.ts';
import { readLayerGraph } from './layer-graph.ts';
import { makeFolder, type NewFolder } from './new-folder.ts';
import { requireStopped, type OpenMachine } from './locked-machine.ts';
import { requireSpaceFor } from './space-check.ts';
import { allowed } from './tidy.ts';

/**
 * Copies a stopped machine with its whole tree into a new folder, from which it can be imported anywhere: what it stands on
 * outside of its folder is copied in. What lies in its trash stays behind.
 * @throws NameInUse, MachineRunning, NotEnoughSpace; NotSupported for a machine that is plain disk images
 */
export async function exportMachine(
  context: EngineContext,
  machine: OpenMachine,
  target: NewFolder,
  call: Call,
): Promise<Result<'export'>> {
  const { folder, records } = machine;
  const { definition, now } = records;
  requireStopped(machine, 'exporting it whole, or export one of its checkpoints');
  requireOwnLayers(definition);
  await hostOf(context, definition).requireUnused({ folder, definition, layers: now.activeLayers });
  const kept: MachineRecords = { ...records, trash: [], clones: [] };
  const inner = await filesOf(folder, kept);
  const bases = await needsOfBases(new LayerFiles(folder, definition, now.activeLayers), kept, call);
  const basesBytes = bases.reduce((sum, { bytes }) => sum + bytes, 0);
  return makeFolder(target, async (staging) => {
    const copy = new MachineFolder(staging);
    await copy.create();
    const copies = inner.map((file) => ({ from: folder.inner(file), to: copy.inner(file) }));
    const own = { folder, records };
    const what = `Exporting “${definition.name}”`;
    await copyFiles(
      context,
      { copies, folder: staging, what, more: [{ folder: staging, bytes: basesBytes }], own },
      call,
    );
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

/**
 * Makes one image of each disk of a checkpoint in a new folder, with what else it holds but for its memory.
 * @throws NameInUse, and what {@link convert} throws
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
  const reader = new ChainReader(files);
  const need = await needOfCopies(machine, checkpoint, path.dirname(target.path), to, call);
  await requireSpaceFor(context, `Exporting “${checkpoint.name}”`, [need], machine);
  return makeFolder(target, async (staging) => {
    const disks: ExportedDisks['disks'] = [];
    for (const { id } of checkpoint.definition.disks) {
      const disk = files.disk(id);
      const layer = files.layerOf(checkpoint.layers, disk);
      await requireFrozen(folder, await reader.chainOf(disk, layer));
      const file = `${id}.${to}`;
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

/** Layers, memory, firmware state and kernels that the points of a machine need, relative to its folder. */
export async function filesOf(folder: MachineFolder, records: MachineRecords): Promise<string[]> {
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const { layers } = await readLayerGraph(files, records, false);
  const own = records.checkpoints.flatMap(ownFilesOf);
  const { firmware } = records.now;
  const present =
    firmware === undefined ? [] : (await readFirmware(folder, firmware)).map(({ name }) => `${firmware}/${name}`);
  const boot = definitionsOf(records).flatMap(bootFiles);
  return [...new Set([...layers.map(({ layer }) => layer), ...own, ...present, ...boot])];
}
