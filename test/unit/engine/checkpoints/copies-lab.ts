import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Engine } from '../../../../engine/engine.ts';
import type { MachineInfo } from '../../../../engine/protocol/machines.ts';
import { LayerFiles } from '../../../../engine/store/layer-files.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { contentHash, faultsOfHome } from '../../../support/faults/home-state.ts';
import { engineOf, lab, makeLab, type Place } from '../../../support/faults/stopped-lab.ts';
import { folderOf } from '../temporary-folder.ts';

/** The machine of `stopped-lab.ts`, for copying. */
export interface CopiesLab {
  engine: Engine;
  place: Place;
  folder: string;
  /** SHA-256 of the whole disk of each point, by its name. */
  points: Record<string, string>;
}

export async function copiesLab(context: TestContext): Promise<CopiesLab> {
  const folder = await folderOf(context);
  const place = { home: path.join(folder, 'home'), image: path.join(folder, 'image.qcow2') };
  await makeLab(place);
  const engine = engineOf(place.home);
  return { engine, place, folder, points: await pointsOf(engine, folder) };
}

export async function machineOf({ service }: Engine, machine = lab): Promise<MachineInfo> {
  return (await service.show({ machine })).machine;
}

/** What the disk of each point of a machine holds, whole. */
export async function pointsOf(engine: Engine, allowed: string, machine = lab): Promise<Record<string, string>> {
  const folder = new MachineFolder((await machineOf(engine, machine)).folder);
  const { checkpoints, now, definition } = await folder.read();
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const points: Record<string, string> = {};
  for (const { name, layers } of [...checkpoints, { name: 'Now', layers: now.activeLayers }]) {
    for (const disk of files.disks) {
      points[name] = await contentHash(files.fileOf(disk, files.layerOf(layers, disk)), [allowed]);
    }
  }
  return points;
}

/** Files that no record explains, or that are missing. */
export async function disorderOf(place: Place): Promise<string[]> {
  const { unknown, missing } = await faultsOfHome(place.home);
  return [...unknown, ...missing];
}
