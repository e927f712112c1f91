import { copyFile, constants, stat } from 'node:fs/promises';
import path from 'node:path';
import { convert } from '../disks/operations/convert.ts';
import { requireFree } from '../disks/new-file.ts';
import { openLayer } from '../disks/open-chain.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { MachineDefinition, MachineDisk } from '../model/machine.ts';
import { checkpointName } from '../model/names.ts';
import type { CloneRecord } from '../store/records.ts';
import { newFirmwareFolder, readFirmwareOf, writeFirmware } from '../store/firmware-folder.ts';
import { requireFrozen } from '../store/frozen-layers.ts';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { dropStaleClones, isCloned } from './clone-records.ts';
import { clonePlaced } from './clone-placed.ts';
import { deleteForGood } from './delete-for-good.ts';
import { disksFolderOf, placedAt, placeNames } from './disk-places.ts';
import { hasFirmwareState } from './firmware-copy.ts';
import { signalOf, type Call, type EngineContext } from './engine-context.ts';
import { newGeneration } from './generation.ts';
import { needOfCopies } from './copy-space.ts';
import { createLayer, freeze, newLayerNames } from './layers.ts';
import { readMachine, requireStopped, type OpenMachine } from './locked-machine.ts';
import { newMacAddress } from './new-machine.ts';
import { machineFolders } from './machine-folders.ts';
import { freeName } from './open-machine.ts';
import { needsOfNewLayers, requireSpaceFor, type SpaceNeed } from './space-check.ts';
import { makeMachine } from './staging.ts';
import { decideTake, take, type TakeDecision } from './take.ts';
import { allowed } from './tidy.ts';

/** How a clone is made. */
export interface CloneOptions {
  name: string;
  isIndependent: boolean;
  /** New folder for disks that are for another program. */
  disksFolder?: string;
}

/** What a clone is to be. */
export interface NewClone extends CloneOptions {
  /** Of the new machine. */
  id: string;
}

/** What a clone will be. */
export interface CloneDecision {
  name: string;
  /** Absolute; is made for its disks, when those are for another program. */
  disksFolder?: string;
  needs: SpaceNeed[];
}

/**
 * Decides what a clone of a checkpoint, or of Now, will be; changes nothing.
 * @throws NameInUse, InvalidArgument, NotEnoughSpace; what a chain that does not verify throws
 */
export async function decideClone(
  context: EngineContext,
  source: OpenMachine,
  point: Pick<Checkpoint, 'layers' | 'definition'>,
  options: CloneOptions,
  call: Call,
): Promise<CloneDecision> {
  const { folder, records } = source;
  const name = await freeName(context, options.name);
  const verb = `ckpt clone ${records.definition.name} ${name}`;
  const disksFolder = disksFolderOf(context, records.definition, options.disksFolder, verb);
  if (disksFolder !== undefined) {
    await requireFree(disksFolder);
  }
  const made = { name, ...(disksFolder === undefined ? {} : { disksFolder }) };
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  await verifyChains(files, point);
  if (!options.isIndependent) {
    const { definition } = point;
    const placed = disksFolder === undefined ? definition : placedAt(definition, placeNames(definition), disksFolder);
    return { ...made, needs: needsOfNewLayers(folder, placed) };
  }
  const needs = [await needOfCopies(source, point, disksFolder ?? context.home.machines, undefined, call)];
  await requireSpaceFor(context, `Copying “${records.definition.name}” to “${name}”`, needs, source);
  return { ...made, needs };
}

/** Sees that the chains are whole which a point reads its disks from. */
export async function verifyChains(
  files: LayerFiles,
  { layers, definition }: Pick<Checkpoint, 'layers' | 'definition'>,
): Promise<void> {
  const reader = new ChainReader(files);
  for (const { id } of definition.disks) {
    const disk = files.disk(id);
    await requireFrozen(files.folder, await reader.chainOf(disk, files.layerOf(layers, disk)));
  }
}

/**
 * Makes a new machine, with an identity of its own, of a checkpoint's disks. Linked, its first layers stand on those of the
 * checkpoint, which stay as they are for as long as it needs them; independent, it has copies.
 * @returns the new machine's name
 * @throws as {@link decideClone}
 */
export async function cloneCheckpoint(
  context: EngineContext,
  source: OpenMachine,
  checkpoint: Checkpoint,
  options: NewClone,
  call: Call,
): Promise<string> {
  const { name, disksFolder } = await decideClone(context, source, checkpoint, options, call);
  const { id, isIndependent } = options;
  const { folder } = source;
  const placed = (disks: MachineDisk[]): Promise<void> => {
    const definition = definitionOf(checkpoint, id, name, disks);
    return clonePlaced(context, source, checkpoint, { folder: disksFolder ?? '', isIndependent, definition }, call);
  };
  if (isIndependent) {
    if (disksFolder !== undefined) {
      await placed(checkpoint.definition.disks.map(withoutBase));
      return name;
    }
    await makeMachine(context, name, async (made) => {
      const disks = await copiedDisks(source, checkpoint, made, call);
      await fill(made, source, checkpoint, definitionOf(checkpoint, id, name, disks));
      call.signal?.throwIfAborted();
    });
    return name;
  }
  const disks = await linkedDisks(source, checkpoint);
  const record: CloneRecord = { machine: id, name, layers: checkpoint.layers };
  // First of all: from here on nothing that the clone stands on goes or changes.
  await folder.writeClone(record);
  try {
    await (disksFolder !== undefined
      ? placed(disks)
      : makeMachine(context, name, async (made) => {
          await fill(made, source, checkpoint, definitionOf(checkpoint, id, name, disks));
          call.signal?.throwIfAborted();
        }));
  } catch (error) {
    // What is left says whether the clone has come to be.
    await dropStaleClones(folder, () => machineFolders(context)).catch(() => undefined);
    throw error;
  }
  return name;
}

/** Decides what a clone of a stopped machine's Now, and the checkpoint taken for it, will be. @throws as {@link cloneNow} */
export async function decideCloneNow(
  context: EngineContext,
  source: OpenMachine,
  options: CloneOptions,
  call: Call,
): Promise<CloneDecision & { taken: TakeDecision }> {
  const { definition, now } = source.records;
  requireStopped(source, 'cloning it as it is, or clone one of its checkpoints');
  const decided = await decideClone(context, source, { definition, layers: now.activeLayers }, options, call);
  return { ...decided, taken: await decideTake(context, source, { name: checkpointOfClone(decided.name) }) };
}

function checkpointOfClone(name: string): string {
  return checkpointName([...`Cloned to ${name}`].slice(0, 100).join(''));
}

/**
 * Makes a new machine of a stopped machine's Now, of which a checkpoint is taken first, unless an earlier run that was
 * killed has. Without the clone that goes again.
 * @throws as {@link cloneCheckpoint}; MachineRunning
 */
export async function cloneNow(
  context: EngineContext,
  source: OpenMachine,
  options: NewClone & { checkpointId: string },
  call: Call,
): Promise<string> {
  const { folder } = source;
  const { checkpointId } = options;
  const earlier = source.records.checkpoints.find((one) => one.id === checkpointId);
  const name =
    earlier === undefined
      ? (await decideCloneNow(context, source, options, call)).name
      : await freeName(context, options.name);
  const checkpoint =
    earlier ?? (await take(context, source, { name: checkpointOfClone(name), id: checkpointId }, call)).checkpoint;
  const taken: OpenMachine = { ...source, records: await readMachine(folder) };
  try {
    return await cloneCheckpoint(context, taken, checkpoint, { ...options, name }, call);
  } catch (error) {
    const left: OpenMachine = { ...source, records: await readMachine(folder) };
    // The clone may have come to be all the same.
    if (!isCloned(left.records.clones, checkpoint.layers)) {
      await deleteForGood(context, left, [checkpoint]);
    }
    throw error;
  }
}

function withoutBase({ externalBase: _, ...disk }: MachineDisk): MachineDisk {
  return disk;
}

function definitionOf(checkpoint: Checkpoint, id: string, name: string, disks: MachineDisk[]): MachineDefinition {
  const { definition } = checkpoint;
  return {
    ...definition,
    id,
    name,
    created: new Date().toISOString(),
    ...(definition.macAddress === undefined ? {} : { macAddress: newMacAddress() }),
    disks,
  };
}

async function linkedDisks(source: OpenMachine, checkpoint: Checkpoint): Promise<MachineDisk[]> {
  const { folder, records } = source;
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const reader = new ChainReader(files);
  const disks: MachineDisk[] = [];
  for (const { id, virtualSizeBytes, format } of checkpoint.definition.disks) {
    const layer = files.layerOf(checkpoint.layers, files.disk(id));
    const chain = await reader.chainOf(files.disk(id), layer);
    await requireFrozen(folder, chain);
    const file = files.fileOf(files.disk(id), layer);
    const { size, mtimeMs } = await stat(file);
    const below = new Set(chain.map((link) => path.dirname(link.file)).filter((one) => one !== path.dirname(file)));
    disks.push({
      id,
      virtualSizeBytes,
      ...(format === undefined ? {} : { format }),
      externalBase: {
        path: file,
        format: chain[0]?.format ?? 'qcow2',
        sizeBytes: size,
        modifiedMs: Math.floor(mtimeMs),
        isChain: true,
        ...(below.size === 0 ? {} : { chainFolders: [...below] }),
      },
    });
  }
  return disks;
}

async function copiedDisks(
  source: OpenMachine,
  checkpoint: Checkpoint,
  made: MachineFolder,
  call: Call,
): Promise<MachineDisk[]> {
  const { folder, records } = source;
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const reader = new ChainReader(files);
  const disks: MachineDisk[] = [];
  for (const { id, virtualSizeBytes, format = 'qcow2' } of checkpoint.definition.disks) {
    const disk = files.disk(id);
    const layer = files.layerOf(checkpoint.layers, disk);
    await requireFrozen(folder, await reader.chainOf(disk, layer));
    const base = `layers/${id}-base.${format}`;
    await convert(files.fileOf(disk, layer), made.inner(base), {
      to: format,
      flatten: true,
      ...allowed(disk),
      ...signalOf(call),
      onProgress: (doneBytes, totalBytes) =>
        call.report?.(`Copying ${id}`, totalBytes === 0 ? 1 : doneBytes / totalBytes, { doneBytes, totalBytes }),
    });
    disks.push({ id, virtualSizeBytes, format, base });
  }
  return disks;
}

/** Empty layers on what each disk stands on, the kernel, and the records of a machine without checkpoints. */
async function fill(
  made: MachineFolder,
  source: OpenMachine,
  checkpoint: Checkpoint,
  definition: MachineDefinition,
): Promise<void> {
  const activeLayers = newLayerNames(definition);
  const files = new LayerFiles(made, definition, activeLayers);
  for (const disk of files.disks) {
    const parent = disk.externalBase?.path ?? made.inner(disk.base ?? '');
    const format = disk.externalBase?.format ?? disk.format ?? 'qcow2';
    const layer = await openLayer(parent, 'read', { format });
    await layer.close();
    await createLayer(files.fileOf(disk, files.layerOf(activeLayers, disk)), disk.format ?? 'qcow2', {
      layer,
      relativePath: disk.externalBase === undefined ? path.basename(parent) : parent,
    });
    if (disk.base !== undefined) {
      await freeze(files, { [disk.id]: disk.base });
    }
  }
  for (const file of bootFiles(definition)) {
    await copyFile(source.folder.inner(file), made.inner(file), constants.COPYFILE_FICLONE);
  }
  const firmware = await copiedFirmware(made, source.folder, checkpoint);
  const now = { activeLayers, ...firmware, ...newGeneration(definition) };
  await made.writeDefinition(definition);
  await made.writeNow(now);
}

/**
 * A clone has a copy of both: its boot entries are those of the checkpoint, and what its guest has sealed with the TPM, such
 * as the key of its disk, opens. So its TPM has the same endorsement key, as with a clone of Hyper-V or VMware.
 */
async function copiedFirmware(
  made: MachineFolder,
  source: MachineFolder,
  { definition, firmware }: Checkpoint,
): Promise<{ firmware?: string }> {
  if (!hasFirmwareState(definition)) {
    return {};
  }
  const folder = newFirmwareFolder();
  await writeFirmware(made, folder, firmware === undefined ? [] : await readFirmwareOf(source, firmware));
  return { firmware: folder };
}

/** Files of a direct boot, relative to the machine's folder. */
export function bootFiles({ directBoot }: MachineDefinition): string[] {
  return directBoot === undefined
    ? []
    : [directBoot.kernel, ...(directBoot.initrd === undefined ? [] : [directBoot.initrd])];
}
