import type { Checkpoint, TrashedCheckpoint } from '../model/checkpoint.ts';
import { clockTrust } from '../model/clock-trust.ts';
import { planTidying } from '../model/layer-tree.ts';
import { planRetention } from '../model/retention.ts';
import { costOfCheckpoints } from '../model/space.ts';
import { byCreation } from '../model/tree.ts';
import type { RetentionPlan } from '../protocol/retention.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { readPolicy } from '../store/policy-record.ts';
import { deleteForGood, discardForGood } from './delete-for-good.ts';
import { hostOf, type Call, type EngineContext } from './engine-context.ts';
import { readLayerGraph } from './layer-graph.ts';
import type { OpenMachine } from './locked-machine.ts';
import { readLayerTree } from './machine-space.ts';
import { decideRunningMerge } from './running-merge.ts';
import { runningSeconds } from './running-times.ts';

/** What is to go of one machine: by the rules, and out of the trash because its time is over. */
export interface Pruning {
  plan: RetentionPlan;
  trash: TrashedCheckpoint[];
}

/**
 * What the rules say of a machine. Changes nothing.
 * @throws MachineDamaged when its policy cannot be believed; what `ChainReader.chainOf` throws, for a broken chain
 */
export async function planPruning(folder: MachineFolder, records: MachineRecords, at: Date): Promise<Pruning> {
  const { definition, now, checkpoints, trash, clones } = records;
  const policy = await readPolicy(folder.path);
  const cloned = new Set(clones.flatMap(({ layers }) => Object.values(layers)));
  const hasClones = ({ layers }: Checkpoint): boolean => Object.values(layers).some((layer) => cloned.has(layer));
  const hasRun = await runningSeconds(folder, records);
  const plan = planRetention(
    {
      checkpoints: checkpoints.map((one) => ({
        ...one,
        ...(one.pinned === true ? { isPinned: true } : {}),
        ...(hasClones(one) ? { hasClones: true } : {}),
      })),
      now,
      ...(hasRun === undefined ? {} : { runningSeconds: hasRun }),
      facts: [definition.created, ...trash.map(({ deleted }) => deleted)],
      costOf: costOfCheckpoints(await readLayerTree(folder, records)),
    },
    policy,
    at,
  );
  // Nothing goes by a clock that jumped.
  const facts = [
    definition.created,
    ...trash.map(({ deleted }) => deleted),
    ...checkpoints.map(({ created }) => created),
  ];
  const isRight = clockTrust(at.getTime(), facts).state === 'believed';
  return { plan, trash: isRight ? trash.filter(({ expires }) => Date.parse(expires) <= at.getTime()) : [] };
}

/** True when hidden layers lie there that can be merged away, which had to wait for space or for the machine to stop. */
export async function hasLayersToMerge(
  context: EngineContext,
  folder: MachineFolder,
  records: MachineRecords,
): Promise<boolean> {
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const { state } = await hostOf(context, records.definition).look(folder);
  const { layers } = await readLayerGraph(files, records, state !== 'stopped');
  return (
    planTidying(layers).length > 0 ||
    (await decideRunningMerge(files, layers, records.now.activeLayers, {})) !== undefined
  );
}

/**
 * Deletes what the rules say, for good: what a rule took would only fill the trash. To be called with the machine locked.
 * @param only ids of those that may go at present; all that the rules say when absent
 * @returns what was deleted, by the plan that was carried out
 */
export async function carryOutPruning(
  context: EngineContext,
  open: OpenMachine,
  at: Date,
  call: Call,
  only?: ReadonlySet<string>,
): Promise<RetentionPlan> {
  const { plan, trash } = await planPruning(open.folder, open.records, at);
  const all = [...plan.deleted.map(({ id }) => id), ...trash.map(({ checkpoint }) => checkpoint.id)];
  const ids = new Set(all.filter((id) => only?.has(id) !== false));
  call.signal?.throwIfAborted();
  // Parents before children, as a delete takes them.
  const doomed = byCreation(open.records.checkpoints.filter(({ id }) => ids.has(id)));
  if (doomed.length > 0) {
    await deleteForGood(context, open, doomed, call);
  }
  await discardForGood(context, open, ids, call);
  if (ids.size > 0) {
    context.log.info(`What expired or was not to be kept of ${open.folder.path} is gone: ${[...ids].join(', ')}.`);
  }
  return plan;
}
