import path from 'node:path';
import type { MachineDefinition } from '../model/machine.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { placedAt } from './disk-places.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { notExported } from './exported-folder.ts';
import type { FileCopy } from './file-copies.ts';
import { freeze } from './layers.ts';
import { makeMachineWithFolder } from './outside-folder.ts';
import { copyRelocated, decideRelocation, type Relocation } from './relocate.ts';
import { requireFree } from '../disks/new-file.ts';

/** How the layers of an exported machine come to lie where another program can use its disks. */
export interface PlacedImport {
  /** Absolute; is made. */
  folder: string;
  relocation: Relocation;
  copies: FileCopy[];
}

/**
 * Decides where an import of a machine of plain disk images puts them; changes nothing.
 * @param records of the export, whose layers lie in its folder
 * @param fileNames of the disks at their places, by disk
 * @throws NameInUse when the folder is there
 */
export async function decidePlacedImport(
  source: MachineFolder,
  records: MachineRecords,
  fileNames: ReadonlyMap<string, string>,
  folder: string,
): Promise<PlacedImport> {
  const held = records.checkpoints.some(({ memory, firmware }) => memory !== undefined || firmware !== undefined);
  if (held || records.now.firmware !== undefined) {
    throw notExported(source.path, 'it holds more than disks, and is said to be disks only');
  }
  await requireFree(folder);
  const files = new LayerFiles(source, records.definition, records.now.activeLayers);
  const relocation = await decideRelocation(files, records, (definition) => placedAt(definition, fileNames, folder));
  const { definition, now } = relocation.records;
  const target = new LayerFiles(source, definition, now.activeLayers);
  const copies = relocation.layers.map(({ disk, from, layer }) => ({
    from,
    to: target.fileOf(target.disk(disk), layer),
  }));
  return { folder, relocation, copies };
}

/** Makes a machine of plain disk images of what is decided, with its disks in their new folder. */
export async function importPlaced(
  context: EngineContext,
  name: string,
  { folder, relocation }: PlacedImport,
  named: (definition: MachineDefinition) => MachineDefinition,
  call: Call,
): Promise<void> {
  const { definition, now, checkpoints } = relocation.records;
  await makeMachineWithFolder(context, name, folder, async (made, staging) => {
    const disks = new Map(definition.disks.map(({ id, place }) => [id, path.basename(place ?? '')]));
    const files = new LayerFiles(made, placedAt(definition, disks, staging), now.activeLayers);
    await copyRelocated(context, relocation, files, { folder: staging, what: `Importing “${name}”` }, call);
    for (const { disk, layer } of relocation.layers) {
      if (now.activeLayers[disk] !== layer) {
        await freeze(files, { [disk]: layer });
      }
    }
    for (const checkpoint of checkpoints) {
      await made.writeCheckpoint({ ...checkpoint, definition: named(checkpoint.definition) });
    }
    await made.writeNow(now);
    await made.writeDefinition(named(definition));
    call.signal?.throwIfAborted();
  });
}
