import { randomBytes } from 'node:crypto';
import { chmodSync, statSync } from 'node:fs';
import { chmod, chown, stat } from 'node:fs/promises';
import path from 'node:path';
import { openDiskFile } from '../disks/disk-file.ts';
import type { Layer } from '../disks/disk.ts';
import { driverOf } from '../disks/drivers.ts';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import type { DiskFormat, LayerOfDisk, MachineDefinition, MachineDisk } from '../model/machine.ts';
import { syncFolder } from '../store/atomic-file.ts';
import { factsOf, isSameFile, requireFrozen, type FrozenFacts } from '../store/frozen-layers.ts';
import { ChainReader } from '../store/layer-chain.ts';
import type { LayerFiles } from '../store/layer-files.ts';

/**
 * Names for a set of new layers, one a disk; no two are the same, as what is on record of layers goes by their names.
 * @param token what tells them from others: 8 hexadecimal digits
 */
export function newLayerNames(definition: MachineDefinition, token: string = newToken()): LayerOfDisk {
  const names: Record<string, string> = {};
  const taken = new Set<string>();
  for (const disk of definition.disks) {
    let name = newLayerName(disk, token);
    // Disks of another program may have one file name, each in a folder of its own.
    while (taken.has(name)) {
      name = newLayerName(disk, newToken());
    }
    taken.add(name);
    names[disk.id] = name;
  }
  return names;
}

function newToken(): string {
  return randomBytes(4).toString('hex');
}

function newLayerName({ id, place, format = 'qcow2' }: MachineDisk, token: string): string {
  if (place === undefined) {
    return `layers/${id}-${token}.${format}`;
  }
  return `${restingStem(place)}-${token}${path.parse(place).ext}`;
}

/** What the resting names of the layers of a disk begin with. */
export function restingStem(place: string): string {
  const { name } = path.parse(place);
  // What a record or another system's file names do not take; the place itself keeps its name.
  let short = name.replace(/[\p{Cc}:\\]/gu, '_');
  // A file name has room for 255 bytes.
  while (Buffer.byteLength(short) > 200) {
    short = [...short].slice(0, -1).join('');
  }
  return short;
}

/**
 * How many layers a chain may have. QEMU 7.2 needs time with the third power of their number until it runs: under 10 s for 200,
 * 25 s for 300, 2 minutes for 500, on a busy computer; a start is given up after 30 s. Each takes a file descriptor, too.
 */
const mostLayers = 256;

/** Layers that others can be made on, by disk. */
export type VerifiedParents = ReadonlyMap<string, Layer>;

/**
 * Makes an empty layer on top of each parent, durably.
 * @param verified of the parents, where they were looked at before
 * @throws as {@link verifyParents}
 */
export async function createLayers(
  files: LayerFiles,
  layers: LayerOfDisk,
  parents: LayerOfDisk,
  signal?: AbortSignal,
  verified?: Promise<VerifiedParents>,
): Promise<void> {
  const parentOf = await (verified ?? verifyParents(files, parents));
  const folders = new Set<string>();
  for (const disk of files.disks) {
    signal?.throwIfAborted();
    const parent = files.layerOf(parents, disk);
    const layer = parentOf.get(disk.id);
    if (layer !== undefined) {
      const target = files.restingFileOf(disk, files.layerOf(layers, disk));
      const relativePath = path.basename(files.restingFileOf(disk, parent));
      await createLayer(target, disk.format ?? 'qcow2', { layer, relativePath });
      if (disk.place !== undefined) {
        await passOn(disk.place, target);
      }
      folders.add(path.dirname(target));
    }
  }
  for (const folder of folders) {
    await syncFolder(folder);
  }
}

/**
 * Sees that layers can be made on these.
 * @throws NotSupported for a chain that could not be run any more
 * @throws what {@link ChainReader.chainOf} and {@link requireFrozen} throw for a parent that does not verify
 */
export async function verifyParents(files: LayerFiles, parents: LayerOfDisk): Promise<VerifiedParents> {
  const reader = new ChainReader(files);
  const verified = new Map<string, Layer>();
  for (const disk of files.disks) {
    const layer = await verifiedLayer(reader, files, disk, files.layerOf(parents, disk));
    if (layer !== undefined) {
      verified.set(disk.id, layer);
    }
  }
  return verified;
}

/** The same ahead of {@link createLayers}, which tells what is wrong with them. */
export function verifyAhead(files: LayerFiles, parents: LayerOfDisk): Promise<VerifiedParents> {
  const verifying = verifyParents(files, parents);
  verifying.catch(() => undefined);
  return verifying;
}

async function verifiedLayer(
  reader: ChainReader,
  files: LayerFiles,
  disk: MachineDisk,
  layer: string,
): Promise<Layer | undefined> {
  const chain = await reader.chainOf(disk, layer);
  await requireFrozen(files.folder, chain);
  if (chain.length >= mostLayers) {
    throw tooLong(files.definition.name, disk, chain.length);
  }
  return chain[0]?.header;
}

function tooLong(machine: string, disk: MachineDisk, layers: number): CheckpointError {
  return new CheckpointError(
    'NotSupported',
    `The disk ${disk.id} of “${machine}” has ${layers} layers, one on top of the other, and with more it could not be started. ` +
      `Delete checkpoints that you no longer need for good, which merges their layers (ckpt delete ${machine} CHECKPOINT --purge), ` +
      `or go on with a full clone, whose disks have one layer (ckpt clone ${machine} CHECKPOINT NAME --full).`,
    { machine, disk: disk.id, layers, mostLayers },
  );
}

/** Makes one empty layer, whose name the caller makes durable. */
export async function createLayer(
  file: string,
  format: DiskFormat,
  parent: { layer: Layer; relativePath: string },
): Promise<void> {
  const opened = await openDiskFile(file, 'create');
  try {
    await driverOf(format).create({ file: opened, parent });
  } finally {
    await opened.close();
  }
}

/** The program that uses the disk has to reach its new layer as it reached the old one. */
async function passOn(from: string, to: string): Promise<void> {
  const { mode, uid, gid } = await stat(from);
  await chmod(to, mode & 0o777);
  if (process.platform !== 'win32') {
    try {
      await chown(to, uid, gid);
    } catch (error) {
      // Only root gives files away; whoever is not has files of his own.
      if (systemCode(error) !== 'EPERM') {
        throw error;
      }
    }
  }
}

/** What some layers look like, by layer. */
export type LayerFacts = ReadonlyMap<string, FrozenFacts>;

/**
 * Looks at layers that are about to be frozen, while other things wait for the disk: samples of a layer to which much was
 * written have to be read from there. Never rejects.
 */
export async function lookAhead(files: LayerFiles, layers: LayerOfDisk): Promise<LayerFacts> {
  const found = await Promise.all(
    files.disks.map(async (disk): Promise<[string, FrozenFacts][]> => {
      const layer = layers[disk.id];
      const facts = layer === undefined ? undefined : await factsOf(files.fileOf(disk, layer)).catch(() => undefined);
      return layer === undefined || facts === undefined ? [] : [[layer, facts]];
    }),
  );
  return new Map(found.flat());
}

/**
 * A parent is never written again: its mode says so, and what it looks like is put on record. One that is missing is told of
 * where it is needed.
 * @param seen what {@link lookAhead} saw; believed of a file that is the same, of the same size and time
 */
export async function freeze(files: LayerFiles, layers: LayerOfDisk, seen?: LayerFacts): Promise<void> {
  const { layers: known } = await files.folder.readFrozen();
  const added: typeof known = {};
  for (const disk of files.disks) {
    const layer = layers[disk.id];
    if (layer !== undefined) {
      const file = files.fileOf(disk, layer);
      try {
        chmodSync(file, statSync(file).mode & 0o555);
        const facts = seen?.get(layer);
        added[layer] = facts !== undefined && isSameFile(file, facts) ? facts : await factsOf(file);
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') {
          throw error;
        }
      }
    }
  }
  await files.folder.writeFrozen({ ...known, ...added });
}

/** Makes frozen layers active again. */
export async function thaw(files: LayerFiles, layers: LayerOfDisk): Promise<void> {
  const { layers: known } = await files.folder.readFrozen();
  const thawed = new Set(Object.values(layers));
  for (const disk of files.disks) {
    const layer = layers[disk.id];
    if (layer !== undefined) {
      const file = files.fileOf(disk, layer);
      if (disk.place === undefined) {
        await chmod(file, 0o600);
      } else {
        await passOn(disk.place, file);
      }
    }
  }
  await files.folder.writeFrozen(Object.fromEntries(Object.entries(known).filter(([layer]) => !thawed.has(layer))));
}

/** True when every layer is a whole image whose chain is whole. */
export async function areWhole(files: LayerFiles, layers: LayerOfDisk): Promise<boolean> {
  try {
    const reader = new ChainReader(files);
    for (const disk of files.disks) {
      await reader.chainOf(disk, files.layerOf(layers, disk));
    }
    return true;
  } catch {
    return false;
  }
}
