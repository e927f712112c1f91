import assert from 'node:assert/strict';
import path from 'node:path';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import type { MachineInfo } from '../../../../engine/protocol/machines.ts';
import { LayerFiles } from '../../../../engine/store/layer-files.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { contentHash, faultsOfHome } from '../../../support/faults/home-state.ts';
import { engineOf } from '../../../support/faults/stopped-lab.ts';

/** What one machine has: SHA-256 of the whole disk of each point. */
export interface MachineSnapshot {
  info: MachineInfo;
  now: string;
  /** By id; those in the trash too. */
  points: Map<string, string>;
}

export type HomeSnapshot = Map<string, MachineSnapshot>;

/**
 * Starts an engine, and reads all that a home has then.
 * @param allowed folder that chains may lead to, beside those of the machines
 * @throws when anything is not in order: a damaged machine, a file that nothing names or that is missing, a tree that is not
 *   the one that the layers tell, anything that doctor finds
 */
export async function snapshotOf(home: string, allowed: string): Promise<HomeSnapshot> {
  const engine = engineOf(home);
  const { hosts } = await engine.service.list();
  const snapshot: HomeSnapshot = new Map();
  const all = hosts.flatMap(({ machines }) => machines);
  // A clone stands on layers of its source, wherever that was moved to.
  const places = [allowed, ...all.map((info) => path.dirname(info.folder))];
  for (const info of all) {
    assert.deepEqual([info.state, info.problem], ['stopped', undefined], info.name);
    snapshot.set(info.name, await machineSnapshot(info, places));
  }
  assert.deepEqual(await faultsOfHome(home), { unknown: [], missing: [] });
  const { isSound, machines } = await engine.doctor.doctor({ deep: true }, {});
  assert.ok(isSound, JSON.stringify(machines));
  return snapshot;
}

async function machineSnapshot(info: MachineInfo, allowed: string[]): Promise<MachineSnapshot> {
  const { definition, now, checkpoints, trash } = await new MachineFolder(info.folder).read();
  const files = new LayerFiles(new MachineFolder(info.folder), definition, now.activeLayers);
  const disk = files.disk('disk0');
  const fileOf = (layers: typeof now.activeLayers): string => files.fileOf(disk, files.layerOf(layers, disk));
  const points = new Map<string, string>();
  for (const { id, layers } of [...checkpoints, ...trash.map(({ checkpoint }) => checkpoint)]) {
    points.set(id, await contentHash(fileOf(layers), allowed));
  }
  const idOf = new Map(checkpoints.map(({ id, layers }) => [fileOf(layers), id]));
  for (const { name, parent, layers } of [...checkpoints, { ...now, name: 'Now', layers: now.activeLayers }]) {
    const chain = await openChain(fileOf(layers), { allowParents: allowed });
    await chain.close();
    const below = chain.layers.slice(1).map((layer) => idOf.get(layer.file.path));
    const nearest = below.find((id) => id !== undefined);
    assert.equal(parent, nearest, `${info.name}: “${name}” hangs from what its layers stand on`);
  }
  return { info, now: await contentHash(fileOf(now.activeLayers), allowed), points };
}
