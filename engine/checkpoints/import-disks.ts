import { randomUUID } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { requireFree } from '../disks/new-file.ts';
import { identifyImage } from '../disks/image-format.ts';
import { convert } from '../disks/operations/convert.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { DiskFormat, LayerOfDisk, MachineDefinition, MachineDisk } from '../model/machine.ts';
import { readRecord, syncFolder } from '../store/atomic-file.ts';
import { newFirmwareFolder, readFirmwareOf, writeFirmware } from '../store/firmware-folder.ts';
import { LayerFiles } from '../store/layer-files.ts';
import { MachineFolder } from '../store/machine-folder.ts';
import { exportedDisksRecord, type ExportedDisks } from '../store/records.ts';
import { activate, prepareActivation } from './activation.ts';
import { bootFiles } from './clone.ts';
import { bytesOfFiles } from './copy-bytes.ts';
import { disksFolderOf, placedAt } from './disk-places.ts';
import { signalOf, type Call, type EngineContext } from './engine-context.ts';
import { newGeneration } from './generation.ts';
import { notExported, partsOf, requireExportedFolder, requireFolders, requireIn } from './exported-folder.ts';
import { withoutFiles } from './export.ts';
import { copyFiles } from './file-copies.ts';
import { createLayers, freeze, newLayerNames } from './layers.ts';
import { newMacAddress } from './new-machine.ts';
import { freeName } from './open-machine.ts';
import { makeMachineWithFolder } from './outside-folder.ts';
import { requireSpaceFor, type SpaceNeed } from './space-check.ts';
import { makeMachine } from './staging.ts';

/** One checkpoint that was exported, and where it lies. */
export interface ExportedCheckpoint {
  source: MachineFolder;
  record: ExportedDisks;
}

/**
 * @returns undefined for a folder that holds something else
 * @throws MachineDamaged, InvalidArgument
 */
export async function readExportedDisks(
  context: EngineContext,
  exported: string,
): Promise<ExportedCheckpoint | undefined> {
  const place = path.resolve(exported);
  await requireExportedFolder(context, place);
  const source = new MachineFolder(place);
  const record = await readRecord(source.inner('machine.json'), exportedDisksRecord).catch(() => undefined);
  if (record === undefined) {
    return undefined;
  }
  const { definition, disks, firmware } = record;
  const ids = definition.disks.map(({ id }) => id);
  const images = disks.map(({ id }) => id);
  if (new Set(ids).size !== ids.length || ids.length !== images.length || ids.some((id) => !images.includes(id))) {
    throw notExported(place, 'it has not one image of each disk');
  }
  requireIn(place, partsOf.boot, bootFiles(definition));
  await requireFolders(place, firmware === undefined ? [] : [firmware.folder]);
  if (definition.host === 'disks' && firmware !== undefined) {
    throw notExported(place, 'it holds more than disks, and is said to be disks only');
  }
  return { source, record };
}

/** Decides what an import of one exported checkpoint makes; changes nothing. @throws NameInUse, NotEnoughSpace */
export async function decideImportDisks(
  context: EngineContext,
  { source, record }: ExportedCheckpoint,
  { name: wanted, disksFolder }: { name: string; disksFolder?: string },
): Promise<ImportedDisks> {
  const name = await freeName(context, wanted);
  const folder = disksFolderOf(context, record.definition, disksFolder, `ckpt import ${source.path}`);
  if (folder !== undefined) {
    await requireFree(folder);
  }
  const bytes = await bytesOfFiles(record.disks.map(({ file }) => source.inner(file)));
  const needs = [{ folder: folder ?? context.home.machines, bytes }];
  await requireSpaceFor(context, `Importing “${name}”`, needs);
  return { name, needs, ...(folder === undefined ? {} : { disksFolder: folder }) };
}

/** What an import of one exported checkpoint makes. */
export interface ImportedDisks {
  name: string;
  needs: SpaceNeed[];
  /** Folder to make for disks that are for another program; absolute. */
  disksFolder?: string;
}

/** File names of the disks that another program is to find: those of the images, with the ending of what they become. */
export function placesOfImages({ disks }: ExportedDisks): ReadonlyMap<string, string> {
  return new Map(disks.map(({ id, file, format }) => [id, `${path.parse(file).name}.${formatOfLayers(format)}`]));
}

/**
 * Makes a machine with an identity of its own whose only checkpoint is the one that was exported, with Now on it. Anybody may
 * have made what is imported: nothing outside of its folder is read.
 * @returns its name
 * @throws ParentNotAllowed for an image that needs another file, ImageDamaged, NameInUse, NotEnoughSpace
 */
export async function importDisks(
  context: EngineContext,
  exported: ExportedCheckpoint,
  { id, ...wanted }: { name: string; id: string; disksFolder?: string },
  call: Call,
): Promise<string> {
  const { source, record } = exported;
  const { name, disksFolder } = await decideImportDisks(context, exported, wanted);
  const plain = definitionOf(record, id, name);
  const places = placesOfImages(record);
  const definition = disksFolder === undefined ? plain : placedAt(plain, places, disksFolder);
  const frozen = newLayerNames(definition);
  const activeLayers = newLayerNames(definition);
  const fill = async (made: MachineFolder, files: LayerFiles): Promise<void> => {
    for (const { id: diskId, file, format } of record.disks) {
      const disk = files.disk(diskId);
      await bringIn(source.inner(file), format, files.fileOf(disk, files.layerOf(frozen, disk)), disk, call);
    }
    const copies = bootFiles(definition).map((file) => ({ from: source.inner(file), to: made.inner(file) }));
    await copyFiles(context, { copies, folder: made.path, what: `Importing “${name}”` }, call);
    // What is brought in is the active layer first, in its place; then another is put on it, as a take does.
    const prepared = await prepareActivation(files, frozen, activeLayers);
    await freeze(prepared, frozen);
    await createLayers(prepared, activeLayers, frozen, call.signal);
    await activate(files, frozen, activeLayers);
    await writeRecords(made, exported, { definition, frozen, activeLayers });
    call.signal?.throwIfAborted();
  };
  if (disksFolder === undefined) {
    await makeMachine(context, name, (made) => fill(made, new LayerFiles(made, definition, frozen)));
  } else {
    await makeMachineWithFolder(context, name, disksFolder, (made, staging) =>
      fill(made, new LayerFiles(made, placedAt(plain, places, staging), frozen)),
    );
  }
  return name;
}

async function writeRecords(
  made: MachineFolder,
  { source, record }: ExportedCheckpoint,
  {
    definition,
    frozen,
    activeLayers,
  }: { definition: MachineDefinition; frozen: LayerOfDisk; activeLayers: LayerOfDisk },
): Promise<void> {
  const { firmware } = record;
  const content = firmware === undefined ? undefined : await readFirmwareOf(source, firmware);
  const kept = content === undefined ? {} : { firmware: await writeFirmware(made, newFirmwareFolder(), content) };
  const checkpoint: Checkpoint = { id: randomUUID(), ...record.checkpoint, layers: frozen, definition, ...kept };
  const present = content === undefined ? {} : { firmware: newFirmwareFolder() };
  if (content !== undefined && present.firmware !== undefined) {
    await writeFirmware(made, present.firmware, content);
  }
  await made.writeCheckpoint(checkpoint);
  await made.writeNow({ parent: checkpoint.id, activeLayers, ...present, ...newGeneration(definition) });
  await made.writeDefinition(definition);
  await syncFolder(made.inner('layers'));
}

function definitionOf({ definition, disks }: ExportedDisks, id: string, name: string): MachineDefinition {
  const own = withoutFiles(definition);
  return {
    ...own,
    id,
    name,
    created: new Date().toISOString(),
    ...(own.macAddress === undefined ? {} : { macAddress: newMacAddress() }),
    disks: own.disks.map((disk): MachineDisk => ({
      ...disk,
      format: formatOfLayers(disks.find((one) => one.id === disk.id)?.format),
    })),
  };
}

/** Layers can stand on each other in some formats only. */
function formatOfLayers(format: DiskFormat | undefined): DiskFormat {
  return format === 'vhd' || format === 'vhdx' ? format : 'qcow2';
}

async function bringIn(from: string, format: DiskFormat, to: string, disk: MachineDisk, call: Call): Promise<void> {
  if (!(await lstat(from)).isFile()) {
    throw notExported(path.dirname(from), `its disk ${disk.id} is no file of its own`);
  }
  const { dependsOn } = await identifyImage(from, format === 'raw' ? 'raw' : undefined);
  if (dependsOn !== undefined) {
    throw new CheckpointError(
      'ParentNotAllowed',
      `The disk ${from} needs ${dependsOn}, which is no part of what is imported. Export the checkpoint again.`,
      { path: from, dependsOn },
    );
  }
  const { virtualSizeBytes } = await convert(from, to, {
    to: disk.format ?? 'qcow2',
    flatten: true,
    format,
    ...signalOf(call),
    onProgress: (doneBytes, totalBytes) =>
      call.report?.(`Copying ${disk.id}`, totalBytes === 0 ? 1 : doneBytes / totalBytes, { doneBytes, totalBytes }),
  });
  if (virtualSizeBytes !== disk.virtualSizeBytes) {
    throw notExported(path.dirname(from), `its disk ${disk.id} has another size than it says`);
  }
}
