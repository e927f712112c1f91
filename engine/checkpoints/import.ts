import { randomUUID } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import path from 'node:path';
import type { MachineDefinition } from '../model/machine.ts';
import { machineName } from '../model/names.ts';
import { syncFolder } from '../store/atomic-file.ts';
import { readFirmwareOf } from '../store/firmware-folder.ts';
import { LayerFiles } from '../store/layer-files.ts';
import { MachineFolder, type MachineRecords } from '../store/machine-folder.ts';
import { bootFiles } from './clone.ts';
import { definitionsOf } from './clone-records.ts';
import { bytesOfFiles } from './copy-bytes.ts';
import { disksFolderOf, placeNames } from './disk-places.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { newGeneration } from './generation.ts';
import { filesOf } from './export.ts';
import { withoutPlaces } from './export-placed.ts';
import { notExported, partsOf, requireExportedFolder, requireFolders, requireIn } from './exported-folder.ts';
import { copyFiles, sizeOfRegularFile, type FileCopy } from './file-copies.ts';
import { importDisks, readExportedDisks } from './import-disks.ts';
import { decidePlacedImport, importPlaced, type PlacedImport } from './import-placed.ts';
import { readLayerGraph } from './layer-graph.ts';
import { freeze } from './layers.ts';
import { newMacAddress } from './new-machine.ts';
import { machineFolders } from './machine-folders.ts';
import { freeName } from './open-machine.ts';
import { requireSpaceFor, type SpaceNeed } from './space-check.ts';
import { makeMachine } from './staging.ts';

/** What an import is to make. */
export interface NewImport {
  name: string;
  id: string;
  /** New folder for disks that are for another program. */
  disksFolder?: string;
}

/**
 * Chooses name and id of the machine that an import makes. It keeps its id unless a machine here has it.
 * @returns the bytes that it copies, too
 * @throws as {@link decideImport}
 */
export async function planImport(
  context: EngineContext,
  exported: string,
  wanted: string | undefined,
): Promise<Pick<NewImport, 'name' | 'id'> & { bytes: number }> {
  const disks = await readExportedDisks(context, exported);
  if (disks !== undefined) {
    const { definition } = disks.record;
    return {
      name: machineName(wanted ?? definition.name),
      // It is one state of a machine that goes on elsewhere.
      id: randomUUID(),
      bytes: await bytesOfFiles(disks.record.disks.map(({ file }) => disks.source.inner(file))),
    };
  }
  const { source, records } = await readExported(context, exported);
  const { id, name } = records.definition;
  const all = await Promise.all((await machineFolders(context)).map((one) => one.read().catch(() => undefined)));
  const isFree = !all.some((one) => one?.definition.id === id);
  return {
    name: machineName(wanted ?? name),
    // Another program may go on with the disks of the one that was exported.
    id: isFree && records.definition.host === 'qemu' ? id : randomUUID(),
    bytes: await bytesOfFiles((await filesOf(source, records)).map((file) => source.inner(file))),
  };
}

/** What an import will make. */
export interface ImportDecision {
  name: string;
  records: MachineRecords;
  source: MachineFolder;
  /** Files to copy, relative to the exported folder. */
  inner: string[];
  /** Where they go, by absolute paths. */
  copies: FileCopy[];
  /** Where its disks will lie for another program. */
  placed?: PlacedImport;
  identify: (definition: MachineDefinition, hasMemory: boolean) => MachineDefinition;
  needs: SpaceNeed[];
}

/**
 * Decides what an import of a whole machine makes; changes nothing. Nothing outside the exported folder is read.
 * @throws MachineDamaged, ParentNotAllowed, ParentMismatch, ImageDamaged, NameInUse, NotEnoughSpace
 */
export async function decideImport(
  context: EngineContext,
  exported: string,
  { name: wanted, id, disksFolder }: NewImport,
): Promise<ImportDecision> {
  const { source, records, fileNames } = await readExported(context, exported);
  const name = await freeName(context, wanted);
  const folder = disksFolderOf(context, records.definition, disksFolder, `ckpt import ${source.path}`);
  const placed = folder === undefined ? undefined : await decidePlacedImport(source, records, fileNames, folder);
  const identify = newIdentity(records.definition.id, id);
  const inner = await filesOf(source, records);
  const sizes = await Promise.all(inner.map((file) => sizeOfRegularFile(source.inner(file))));
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  const needs = [{ folder: folder ?? context.home.machines, bytes: totalBytes }];
  await requireSpaceFor(context, `Importing “${name}”`, needs);
  const machine = path.join(context.home.machines, name);
  const copies = placed?.copies ?? inner.map((file) => ({ from: source.inner(file), to: path.join(machine, file) }));
  return { name, records, source, inner, copies, identify, needs, ...(placed === undefined ? {} : { placed }) };
}

/**
 * Makes a machine of an exported one, or of one checkpoint that was exported, which anybody may have made: its copy is
 * verified before it becomes a machine. With another id than it had it gets another MAC address.
 * @returns its name
 * @throws as {@link decideImport}
 */
export async function importMachine(
  context: EngineContext,
  exported: string,
  chosen: NewImport,
  call: Call,
): Promise<string> {
  const disks = await readExportedDisks(context, exported);
  if (disks !== undefined) {
    return importDisks(context, disks, chosen, call);
  }
  const decided = await decideImport(context, exported, chosen);
  const { name, records, source, inner, identify, placed } = decided;
  if (placed !== undefined) {
    const named = (of: MachineDefinition): MachineDefinition => ({ ...identify(of, false), name });
    await importPlaced(context, name, placed, named, call);
    return name;
  }
  await makeMachine(context, name, async (made) => {
    const copies = inner.map((file) => ({ from: source.inner(file), to: made.inner(file) }));
    await copyFiles(context, { copies, folder: made.path, what: `Importing “${name}”` }, call);
    await protectLayers(made, records);
    for (const { firmware } of records.checkpoints) {
      if (firmware !== undefined) {
        await readFirmwareOf(made, firmware);
      }
    }
    for (const checkpoint of records.checkpoints) {
      const definition = identify(checkpoint.definition, checkpoint.memory !== undefined);
      await made.writeCheckpoint({ ...checkpoint, definition: { ...definition, name } });
    }
    await made.writeNow({ ...records.now, ...newGeneration(records.definition) });
    await made.writeDefinition({ ...identify(records.definition, records.now.memory !== undefined), name });
    await syncFolder(made.inner('layers'));
    call.signal?.throwIfAborted();
  });
  return name;
}

async function readExported(
  context: EngineContext,
  exported: string,
): Promise<{ source: MachineFolder; records: MachineRecords; fileNames: ReadonlyMap<string, string> }> {
  const place = path.resolve(exported);
  await requireExportedFolder(context, place);
  const source = new MachineFolder(place);
  const records = withoutHistory(await source.read());
  requireInside(place, records);
  await requireFolders(place, firmwareFolders(place, records));
  const own = {
    ...records,
    definition: withoutPlaces(records.definition),
    checkpoints: records.checkpoints.map((one) => ({ ...one, definition: withoutPlaces(one.definition) })),
  };
  return { source, records: own, fileNames: placeNames(records.definition) };
}

/** Without the trash, whose files no export has, and without what ties it to other machines of where it came from. */
function withoutHistory(records: MachineRecords): MachineRecords {
  return {
    ...records,
    checkpoints: records.checkpoints.map(({ group: _, ...checkpoint }) => checkpoint),
    trash: [],
    clones: [],
  };
}

function requireInside(place: string, records: MachineRecords): void {
  const ids = records.definition.disks.map(({ id }) => id);
  const { host } = records.definition;
  for (const definition of definitionsOf(records)) {
    if (definition.host !== host) {
      throw notExported(place, 'its points are of different hosts');
    }
    if (
      !sameNames(
        definition.disks.map(({ id }) => id),
        ids,
      ) ||
      new Set(ids).size !== ids.length
    ) {
      throw notExported(place, 'its points have different disks');
    }
    for (const disk of definition.disks) {
      const hasPlace = host === 'disks' ? isFileName(disk.place) : disk.place === undefined;
      if (disk.externalBase !== undefined || !hasPlace) {
        throw notExported(place, `its disk ${disk.id} lies outside of it`);
      }
      if (host === 'disks' && (disk.base !== undefined || disk.format === 'raw' || disk.format === 'vmdk')) {
        throw notExported(place, `its disk ${disk.id} is of a kind that no differencing layer can take the place of`);
      }
      requireIn(place, partsOf.layers, disk.base === undefined ? [] : [disk.base]);
    }
    requireIn(place, partsOf.boot, bootFiles(definition));
  }
  for (const layers of [records.now.activeLayers, ...records.checkpoints.map((checkpoint) => checkpoint.layers)]) {
    if (!sameNames(Object.keys(layers), ids)) {
      throw notExported(place, 'its points have different disks');
    }
    requireIn(place, partsOf.layers, Object.values(layers));
  }
  for (const { memory } of [...records.checkpoints, records.now]) {
    requireIn(place, partsOf.memory, memory === undefined ? [] : [memory.file]);
  }
}

/** What an export says of a place: how the file is called there, and nothing of folders. */
function isFileName(place: string | undefined): boolean {
  return place !== undefined && !['.', '..'].includes(place) && !/[/\\:\p{Cc}]/u.test(place);
}

/** Those of UEFI variables and TPM state: one a point, and no two the same. */
function firmwareFolders(place: string, { now, checkpoints }: MachineRecords): string[] {
  const folders = [now.firmware, ...checkpoints.map(({ firmware }) => firmware?.folder)].filter(
    (folder) => folder !== undefined,
  );
  if (new Set(folders).size !== folders.length) {
    throw notExported(place, 'two of its points have the same UEFI variables');
  }
  return folders;
}

function sameNames(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name) => other.includes(name));
}

/** Memory comes back only with the card that it was saved with, so that one keeps its address. */
function newIdentity(
  before: string,
  id: string,
): (definition: MachineDefinition, hasMemory: boolean) => MachineDefinition {
  const macAddress = newMacAddress();
  return (definition, hasMemory) => ({
    ...definition,
    id,
    ...(id === before || definition.macAddress === undefined || hasMemory ? {} : { macAddress }),
  });
}

/** Verifies every chain of the copy, which nobody else changes any more, and freezes what is not active. */
async function protectLayers(made: MachineFolder, records: MachineRecords): Promise<void> {
  const files = new LayerFiles(made, records.definition, records.now.activeLayers);
  const { layers } = await readLayerGraph(files, records, false);
  for (const { disk, layer, file } of layers) {
    await chmod(file, 0o600);
    if (records.now.activeLayers[disk] !== layer) {
      await freeze(files, { [disk]: layer });
    }
  }
}
