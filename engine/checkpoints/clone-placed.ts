import { chmod, stat } from 'node:fs/promises';
import path from 'node:path';
import { convert } from '../disks/operations/convert.ts';
import { openLayer } from '../disks/open-chain.ts';
import { requireFree } from '../disks/new-file.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { MachineDefinition, MachineDisk } from '../model/machine.ts';
import { LayerFiles } from '../store/layer-files.ts';
import { placeNames, placedAt } from './disk-places.ts';
import { signalOf, type Call, type EngineContext } from './engine-context.ts';
import { createLayer, newLayerNames } from './layers.ts';
import type { OpenMachine } from './locked-machine.ts';
import { makeMachineWithFolder } from './outside-folder.ts';
import { allowed } from './tidy.ts';

/** A clone of a machine that is plain disk images. */
export interface PlacedClone {
  /** Absolute; is made for the disks. */
  folder: string;
  isIndependent: boolean;
  /** Of the new machine; its disks have no places yet. */
  definition: MachineDefinition;
}

/**
 * Makes a machine of plain disk images with the disks of a checkpoint in a new folder, under their own file names. Linked,
 * they are layers on those of the checkpoint; independent, each is one image.
 * @throws NameInUse when the folder is there
 */
export async function clonePlaced(
  context: EngineContext,
  source: OpenMachine,
  checkpoint: Checkpoint,
  { folder, isIndependent, definition }: PlacedClone,
  call: Call,
): Promise<void> {
  await requireFree(folder);
  const { records } = source;
  const files = new LayerFiles(source.folder, records.definition, records.now.activeLayers);
  const names = placeNames(records.definition);
  const placed = placedAt(definition, names, folder);
  await makeMachineWithFolder(context, definition.name, folder, async (made, staging) => {
    for (const disk of placed.disks) {
      call.signal?.throwIfAborted();
      const original = files.disk(disk.id);
      const target = path.join(staging, names.get(disk.id) ?? disk.id);
      if (isIndependent) {
        await copyWhole(files, original, files.layerOf(checkpoint.layers, original), target, call);
      } else {
        await linkTo(disk, target);
      }
      // Whoever can use the one can use the other.
      await chmod(target, (await stat(original.place ?? target)).mode & 0o777);
    }
    await made.writeDefinition(placed);
    await made.writeNow({ activeLayers: newLayerNames(placed) });
    call.signal?.throwIfAborted();
  });
}

async function copyWhole(
  files: LayerFiles,
  disk: MachineDisk,
  layer: string,
  target: string,
  call: Call,
): Promise<void> {
  await convert(files.fileOf(disk, layer), target, {
    to: disk.format ?? 'qcow2',
    flatten: true,
    ...allowed(disk),
    ...signalOf(call),
    onProgress: (doneBytes, totalBytes) =>
      call.report?.(`Copying ${disk.id}`, totalBytes === 0 ? 1 : doneBytes / totalBytes, { doneBytes, totalBytes }),
  });
}

async function linkTo({ externalBase, format = 'qcow2' }: MachineDisk, target: string): Promise<void> {
  if (externalBase !== undefined) {
    const layer = await openLayer(externalBase.path, 'read', { format: externalBase.format });
    await layer.close();
    await createLayer(target, format, { layer, relativePath: externalBase.path });
  }
}
