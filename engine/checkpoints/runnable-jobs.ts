import { z } from 'zod';
import { mergeLayers } from './merge-layers.ts';
import { copyJobs } from './copies.ts';
import type { DiskService } from './disk-service.ts';
import type { EngineContext } from './engine-context.ts';
import { packMemory } from './pack-memory.ts';
import { parseParams } from './operation-params.ts';
import { removePartialFiles } from './partial-files.ts';
import { purge } from './purge.ts';
import type { RunnableJobs } from './run-job.ts';

const reference = z.string().min(1).max(4096);

/** What a job that deletes for good is given: the ids that its caller chose, so that a second run means the same. */
export const purgeParams = z.strictObject({
  machine: reference,
  checkpoints: z.array(reference),
  speed: z.int().min(1).exactOptional(),
});

/** What this engine carries out in jobs. */
export function runnableJobs(context: EngineContext, disks: DiskService): RunnableJobs {
  const purging =
    (from: 'tree' | 'trash'): RunnableJobs[string] =>
    (params, call) => {
      const { machine, checkpoints, ...options } = purgeParams.parse(params);
      return purge(context, machine, checkpoints, { from, ...options }, call);
    };
  return {
    diskMerge: (params, call) => disks.diskMerge(parseParams('diskMerge', params), call),
    diskCompact: (params, call) => disks.diskCompact(parseParams('diskCompact', params), call),
    diskConvert: async (params, call) => {
      const parsed = parseParams('diskConvert', params);
      await removePartialFiles(parsed.target);
      return disks.diskConvert(parsed, call);
    },
    delete: purging('tree'),
    emptyTrash: purging('trash'),
    mergeLayers: (params, call) => {
      const { machine, ...options } = parseParams('mergeLayers', params);
      return mergeLayers(context, machine, options, call);
    },
    packMemory: (params, call) => {
      const { machine, ...options } = parseParams('packMemory', params);
      return packMemory(context, machine, options, call);
    },
    ...copyJobs(context),
  };
}
