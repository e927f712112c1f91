import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { MachineDefinition } from '../model/machine.ts';
import { syncFolder } from '../store/atomic-file.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { placeNames, placedAt } from './disk-places.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { copyBasesIn, standingAlone } from './flatten.ts';
import type { OpenMachine } from './locked-machine.ts';
import { copyRelocated, type Relocation } from './relocate.ts';

/** The definition of a machine whose layers lie in its own folder. */
export function withoutPlaces(definition: MachineDefinition): MachineDefinition {
  return placedAt(definition, new Map(), '');
}

/**
 * Fills the folder of an export of a machine whose disks lie where another program looks for them. Its layers are gathered
 * in that folder, and its records keep the file names of the places.
 */
export async function fillPlacedExport(
  context: EngineContext,
  machine: OpenMachine,
  relocation: Relocation,
  copy: MachineFolder,
  call: Call,
): Promise<void> {
  const { definition } = machine.records;
  const { records } = relocation;
  const files = new LayerFiles(copy, records.definition, records.now.activeLayers);
  const what = `Exporting “${definition.name}”`;
  await copyRelocated(context, relocation, files, { folder: copy.path, what, own: machine }, call);
  await copyBasesIn(files, records, call);
  const names = placeNames(definition);
  const named = (of: MachineDefinition): MachineDefinition => placedAt(standingAlone(of), names, '');
  for (const checkpoint of records.checkpoints) {
    await copy.writeCheckpoint({ ...checkpoint, definition: named(checkpoint.definition) });
  }
  await copy.writeNow(records.now);
  await copy.writeDefinition(named(records.definition));
  // What frozen layers look like is another thing for each copy.
  await rm(path.join(copy.path, 'frozen.json'), { force: true });
  await syncFolder(copy.inner('layers'));
}
