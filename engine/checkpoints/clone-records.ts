import path from 'node:path';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { LayerOfDisk, MachineDefinition } from '../model/machine.ts';
import { foldersOf } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { CloneRecord } from '../store/records.ts';
import { releaseLayers } from './layer-graph.ts';
import type { OpenMachine } from './locked-machine.ts';

/**
 * Forgets the clones of a machine that are no more, were flattened, or never came to be, with the layers that only they
 * needed. To be called with the machine
 * locked. One that cannot be read is believed to be there.
 * @param machines all machines of the home
 */
export async function dropStaleClones(folder: MachineFolder, machines: () => Promise<MachineFolder[]>): Promise<void> {
  if ((await folder.readClones()).length === 0) {
    return;
  }
  const records = await folder.read();
  const clones = await livingClones(folder, records, machines);
  const stale = records.clones.filter((clone) => !clones.includes(clone));
  if (stale.length === 0) {
    return;
  }
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const released = stale.flatMap(({ layers }) => Object.values(layers));
  await releaseLayers(folder, files, { ...records, clones }, released);
  for (const { machine } of stale) {
    await folder.removeClone(machine);
  }
}

/** The clones of a machine that are there and stand on it. One that cannot be read is believed to be there. */
export async function livingClones(
  folder: MachineFolder,
  { clones, definition }: MachineRecords,
  machines: () => Promise<MachineFolder[]>,
): Promise<CloneRecord[]> {
  if (clones.length === 0) {
    return [];
  }
  const others = await Promise.all((await machines()).map((one) => one.read().catch(() => undefined)));
  const isThere = ({ machine }: CloneRecord): boolean =>
    others.some((one) => one?.definition.id === machine && standsOn(one, folder, definition));
  return others.includes(undefined) ? clones : clones.filter(isThere);
}

/** True when a linked clone was made of exactly one of these layers. */
export function isCloned(clones: readonly CloneRecord[], layers: LayerOfDisk): boolean {
  return clones.some((clone) => Object.entries(clone.layers).some(([disk, layer]) => layers[disk] === layer));
}

/**
 * @param purpose ends the sentence, such as `it is removed`
 * @throws HasClones
 */
export function requireNoClones({ records }: OpenMachine, purpose: string): void {
  const { name } = records.definition;
  const clones = records.clones.map((clone) => clone.name);
  if (clones.length > 0) {
    const named = clones.map((clone) => `“${clone}”`).join(', ');
    throw new CheckpointError(
      'HasClones',
      `Linked clones stand on the disks of machine “${name}”: ${named}. Before ${purpose}, make them independent (ckpt flatten CLONE), or remove them.`,
      { machine: name, clones },
    );
  }
}

/** Every definition that a machine has or may get back. */
export function definitionsOf(records: MachineRecords): MachineDefinition[] {
  return [
    records.definition,
    ...records.checkpoints.map(({ definition }) => definition),
    ...records.trash.map(({ checkpoint }) => checkpoint.definition),
  ];
}

function standsOn(records: MachineRecords, folder: MachineFolder, { disks }: MachineDefinition): boolean {
  const places = disks.flatMap(({ place }) => (place === undefined ? [] : [path.dirname(place)]));
  const layers = [path.resolve(folder.inner('layers')), ...places];
  return definitionsOf(records)
    .flatMap(({ disks }) => disks)
    .some(
      ({ externalBase }) => externalBase !== undefined && foldersOf(externalBase).some((one) => layers.includes(one)),
    );
}
