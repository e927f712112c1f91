import { stat } from 'node:fs/promises';
import { hiddenLayers } from '../model/layer-tree.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { deleteForGood, discardForGood, goneForGood, type Purged } from './delete-for-good.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { readLayerGraph } from './layer-graph.ts';
import type { OpenMachine } from './locked-machine.ts';
import { withRunningMerges, type MergeOptions } from './merge-layers.ts';
import { changeMachine } from './open-machine.ts';
import { requireSpaceToPurge } from './space-check.ts';

/**
 * Deletes for good what of some checkpoints is still there, and merges hidden layers away. Safe to repeat after its process
 * was killed: what is gone already is not missed.
 * @param options.from `trash` leaves alone what is in the tree (again)
 * @throws MachineNotFound, Locked, MachineDamaged
 */
export async function purge(
  context: EngineContext,
  machine: string,
  ids: readonly string[],
  { from, ...options }: MergeOptions & { from: 'tree' | 'trash' },
  call: Call,
): Promise<Purged> {
  const { gone, state } = await changeMachine(context, machine, 'delete', async (open) => ({
    gone: await purgeLocked(context, open, ids, from, call),
    state: open.presence.state,
  }));
  return state === 'stopped' ? gone : withRunningMerges(context, machine, gone, options, call);
}

async function purgeLocked(
  context: EngineContext,
  open: OpenMachine,
  ids: readonly string[],
  from: 'tree' | 'trash',
  call: Call,
): Promise<Purged> {
  const known = [...open.records.checkpoints, ...open.records.trash.map(({ checkpoint }) => checkpoint)];
  if (call.signal?.aborted === true && !known.some(({ id }) => ids.includes(id))) {
    throw goneForGood();
  }
  call.signal?.throwIfAborted();
  const chosen = ids.flatMap((id) => open.records.checkpoints.find((one) => one.id === id) ?? []);
  if (from === 'tree' && chosen.length > 0) {
    const inTrash = open.records.trash.filter(({ checkpoint }) => ids.includes(checkpoint.id));
    await requireSpaceToPurge(context, open, new Set(ids));
    const deleted = await deleteForGood(context, open, chosen, call);
    if (inTrash.length === 0) {
      return deleted;
    }
  }
  return discardForGood(context, open, new Set(ids), call);
}

/** Bytes that {@link purge} would move, roughly: what hidden layers with one child take on their volume, or that child. */
export async function bytesToPurge(
  folder: MachineFolder,
  records: MachineRecords,
  ids: readonly string[],
): Promise<number> {
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const after: MachineRecords = {
    ...records,
    checkpoints: records.checkpoints.filter(({ id }) => !ids.includes(id)),
    trash: records.trash.filter(({ checkpoint }) => !ids.includes(checkpoint.id)),
  };
  const { layers } = await readLayerGraph(files, after, false);
  let bytes = 0;
  for (const { disk, layer } of hiddenLayers(layers)) {
    const above = layers.filter((one) => one.disk === disk && one.parent === layer);
    const [upper] = above;
    const lower = layers.find((one) => one.disk === disk && one.layer === layer);
    if (upper !== undefined && lower !== undefined && above.length === 1) {
      const sizes = await Promise.all([upper, lower].map(async ({ file }) => (await stat(file)).blocks * 512));
      bytes += Math.min(...sizes);
    }
  }
  return bytes;
}
