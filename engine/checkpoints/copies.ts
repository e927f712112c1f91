import path from 'node:path';
import { z } from 'zod';
import { machineName } from '../model/names.ts';
import { findCheckpoint } from '../model/tree.ts';
import type { Result } from '../protocol/operations.ts';
import { cloneCheckpoint, cloneNow } from './clone.ts';
import { isCloned } from './clone-records.ts';
import { deleteForGood } from './delete-for-good.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { exportCheckpoint, exportMachine } from './export.ts';
import { flatten } from './flatten.ts';
import { importMachine } from './import.ts';
import type { OpenMachine } from './locked-machine.ts';
import { madeEarlier } from './new-folder.ts';
import { machineFolders } from './machine-folders.ts';
import { moveMachine } from './move.ts';
import { changeMachine } from './open-machine.ts';
import type { RunnableJobs } from './run-job.ts';
import { sweepLeftovers } from './staging.ts';

const reference = z.string().min(1).max(4096);
const format = z.enum(['raw', 'vhd', 'vhdx', 'qcow2', 'vmdk']);

/**
 * What the operations that copy are given. Ids that would be chosen on the way are chosen before, so that a second run,
 * after the first was killed, means the same, and knows what that one has made.
 */
const cloneParams = z.strictObject({
  machine: reference,
  checkpoint: reference.exactOptional(),
  name: reference,
  full: z.boolean(),
  id: z.uuid(),
  /** Of the checkpoint that is taken when Now is cloned. */
  checkpointId: z.uuid(),
  disksFolder: reference.exactOptional(),
});
export type CloneParams = z.output<typeof cloneParams>;

const exportParams = z.strictObject({
  machine: reference,
  checkpoint: reference.exactOptional(),
  to: format,
  target: z.strictObject({ path: reference, token: z.uuid() }),
});
export type ExportParams = z.output<typeof exportParams>;

const importParams = z.strictObject({
  folder: reference,
  name: reference,
  id: z.string().regex(/^[0-9a-f-]{8,64}$/),
  disksFolder: reference.exactOptional(),
});
export type ImportParams = z.output<typeof importParams>;

const flattenParams = z.strictObject({ machine: reference });

const moveParams = z.strictObject({ machine: reference, place: reference, token: z.uuid() });

/** The operations that copy, as jobs. */
export function copyJobs(context: EngineContext): RunnableJobs {
  return {
    clone: (params, call) => clone(context, cloneParams.parse(params), call),
    export: (params, call) => exportTo(context, exportParams.parse(params), call),
    import: (params, call) => importFrom(context, importParams.parse(params), call),
    move: (params, call) => moveMachine(context, moveParams.parse(params), call),
    flatten: async (params, call) => {
      call.signal.throwIfAborted();
      return { copiedBytes: await flattenMachine(context, flattenParams.parse(params).machine, call) };
    },
  };
}

/** Makes a clone, if that has not happened, or, with an aborted signal, undoes what is left of it. */
export async function clone(context: EngineContext, params: CloneParams, call: Call): Promise<{ name: string }> {
  const made = await madeMachine(context, params);
  if (made !== undefined) {
    return { name: made };
  }
  const { checkpoint, id, checkpointId, disksFolder } = params;
  const options = {
    name: params.name,
    isIndependent: params.full,
    id,
    ...(disksFolder === undefined ? {} : { disksFolder }),
  };
  const name = await changeMachine(context, params.machine, 'clone', async (machine) => {
    if (call.signal?.aborted === true) {
      await forgetTaken(context, machine, checkpointId);
      call.signal.throwIfAborted();
    }
    return checkpoint === undefined
      ? cloneNow(context, machine, { ...options, checkpointId }, call)
      : cloneCheckpoint(context, machine, checkpointOf(machine, checkpoint), options, call);
  });
  return { name };
}

/** Exports a machine or a checkpoint, if that has not happened; with an aborted signal, removes what is left of it. */
export async function exportTo(context: EngineContext, params: ExportParams, call: Call): Promise<Result<'export'>> {
  const made = await madeEarlier(params.target);
  if (made !== undefined) {
    return made;
  }
  call.signal?.throwIfAborted();
  const { checkpoint, target, to } = params;
  return changeMachine(context, params.machine, 'export', (machine) =>
    checkpoint === undefined
      ? exportMachine(context, machine, target, call)
      : exportCheckpoint(context, machine, checkpointOf(machine, checkpoint), target, to, call),
  );
}

/** Imports a machine, if that has not happened; with an aborted signal, removes what is left of it. */
export async function importFrom(context: EngineContext, params: ImportParams, call: Call): Promise<{ name: string }> {
  const made = await madeMachine(context, params);
  if (made !== undefined) {
    return { name: made };
  }
  await sweepLeftovers(context);
  call.signal?.throwIfAborted();
  return { name: await importMachine(context, params.folder, params, call) };
}

/** @returns bytes that were copied in */
export async function flattenMachine(context: EngineContext, machine: string, call: Call): Promise<number> {
  return changeMachine(context, machine, 'flatten', (open) => flatten(context, open, call));
}

function checkpointOf({ records }: OpenMachine, reference: string): ReturnType<typeof findCheckpoint> {
  return findCheckpoint({ machine: records.definition.name, ...records }, reference);
}

/** The checkpoint that a run took which was killed before there was a clone. */
async function forgetTaken(context: EngineContext, machine: OpenMachine, id: string): Promise<void> {
  const { checkpoints, clones } = machine.records;
  const taken = checkpoints.filter((one) => one.id === id && !isCloned(clones, one.layers));
  if (taken.length > 0) {
    await deleteForGood(context, machine, taken);
  }
}

/** The machine that an earlier run has made. */
async function madeMachine(
  context: EngineContext,
  { name, id }: Pick<CloneParams, 'name' | 'id'>,
): Promise<string | undefined> {
  const folder = (await machineFolders(context)).find((one) => path.basename(one.path) === machineName(name));
  const records = await folder?.read().catch(() => undefined);
  return folder !== undefined && records?.definition.id === id ? path.basename(folder.path) : undefined;
}
