import { stat } from 'node:fs/promises';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { LayerOfDisk, MachineDefinition, Now } from '../model/machine.ts';
import { readRecord } from '../store/atomic-file.ts';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { readCheckpoints, readClones, readTrash, withoutHalfTaken } from '../store/manifests.ts';
import { machineRecord, nowRecord } from '../store/records.ts';

interface Child {
  parent?: string;
  layers: LayerOfDisk;
  definition: MachineDefinition;
}

/**
 * Checkpoints whose manifests are gone although something hangs from them, as far as the layers still tell: what was made
 * on one stands on its layers, which nothing else names. Their memory and firmware state cannot be told any more. Changes nothing.
 * @returns none while an operation is to be ended first, and where chains or other records are broken, too
 */
export async function lostCheckpoints(folder: MachineFolder): Promise<Checkpoint[]> {
  if (folder.hasJournal()) {
    return [];
  }
  try {
    const [machine, now, manifests, trash, clones] = await Promise.all([
      readRecord(folder.inner('machine.json'), machineRecord),
      readRecord(folder.inner('now.json'), nowRecord),
      readCheckpoints(folder.path),
      readTrash(folder.path),
      readClones(folder.path),
    ]);
    if (machine === undefined || now === undefined) {
      return [];
    }
    const { version: _, ...definition } = machine;
    const checkpoints = withoutHalfTaken(manifests, now);
    const named = [now.activeLayers, ...[...checkpoints, ...clones].map(({ layers }) => layers)];
    const all = [...named, ...trash.map(({ checkpoint }) => checkpoint.layers)];
    const known = new Set(checkpoints.map(({ id }) => id));
    const children: Child[] = [...checkpoints, presentOf(definition, now)];
    const lost = new Map<string, Child>();
    for (const child of children.filter(({ parent }) => parent !== undefined && !known.has(parent))) {
      lost.set(child.parent ?? '', lost.get(child.parent ?? '') ?? child);
    }
    const files = new LayerFiles(folder, definition, now.activeLayers);
    const found = await Promise.all([...lost].map(([id, child]) => below(files, id, child, all, checkpoints)));
    return found.filter((one) => one !== undefined);
  } catch {
    return [];
  }
}

function presentOf(definition: MachineDefinition, now: Now): Child {
  return { definition, layers: now.activeLayers, ...(now.parent === undefined ? {} : { parent: now.parent }) };
}

/** @returns undefined when a disk of the child stands on a layer that has another name already, or on none of the machine */
async function below(
  files: LayerFiles,
  id: string,
  child: Child,
  named: readonly LayerOfDisk[],
  checkpoints: readonly Checkpoint[],
): Promise<Checkpoint | undefined> {
  const reader = new ChainReader(files);
  const layers: Record<string, string> = {};
  let parent: string | undefined;
  let createdMs = 0;
  for (const disk of files.disks.filter((one) => child.layers[one.id] !== undefined)) {
    const chain = await reader.chainOf(disk, files.layerOf(child.layers, disk));
    const [candidate, ...rest] = chain.slice(1);
    if (candidate?.layer === undefined || named.some((one) => one[disk.id] === candidate.layer)) {
      return undefined;
    }
    layers[disk.id] = candidate.layer;
    createdMs = Math.max(createdMs, (await stat(candidate.file)).mtimeMs);
    parent ??= rest
      .map(({ layer }) => checkpoints.find((one) => one.layers[disk.id] === layer))
      .find((one) => one !== undefined)?.id;
  }
  return Object.keys(layers).length === 0
    ? undefined
    : {
        id,
        ...(parent === undefined ? {} : { parent }),
        name: `Recovered ${id.slice(0, 8)}`,
        notes: 'Its manifest was lost. Its disks are what the layers still tell; name, time and memory are not known.',
        created: new Date(createdMs).toISOString(),
        createdBy: 'person',
        consistency: 'crash',
        layers,
        definition: child.definition,
      };
}
