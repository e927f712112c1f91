import { z } from 'zod';
import type { MergeOperations } from '../protocol/merges.ts';
import type { CheckpointService } from './checkpoint-service.ts';
import type { Call, EngineContext } from './engine-context.ts';
import type { JobService } from './job-service.ts';
import { readMachine } from './locked-machine.ts';
import { shortestJobBytes } from './long-operations.ts';
import { mergeLayers, type Merged } from './merge-layers.ts';
import { findMachine, requireOwnId } from './open-machine.ts';
import { bytesToPurge } from './purge.ts';

type MergeCalls = {
  [K in keyof MergeOperations]: (
    params: MergeOperations[K]['params'],
    call: Call,
  ) => Promise<MergeOperations[K]['result']>;
};

const bytes = z.int().min(0);
const merged = z.object({ mergedLayers: bytes, movedBytes: bytes, freedBytes: bytes });

/** Merging hidden layers away, once for all faces. What moves much runs as a job. */
export class MergeService implements MergeCalls {
  readonly #context: EngineContext;
  readonly #machines: Pick<CheckpointService, 'show'>;
  readonly #jobs: Pick<JobService, 'run'>;

  constructor(context: EngineContext, machines: Pick<CheckpointService, 'show'>, jobs: Pick<JobService, 'run'>) {
    this.#context = context;
    this.#machines = machines;
    this.#jobs = jobs;
  }

  async mergeLayers(
    { machine: reference, speed }: MergeOperations['mergeLayers']['params'],
    call: Call,
  ): Promise<MergeOperations['mergeLayers']['result']> {
    const options = speed === undefined ? {} : { speed };
    const folder = await findMachine(this.#context, reference);
    const records = await readMachine(folder);
    const { id, name } = records.definition;
    let done: Merged;
    // What cannot be measured is tried at once, and refused with its reason.
    if ((await bytesToPurge(folder, records, []).catch(() => 0)) >= shortestJobBytes) {
      await requireOwnId(this.#context, id);
      const job = { operation: 'mergeLayers', machine: { id, name }, params: { machine: id, ...options } };
      done = merged.parse(await this.#jobs.run(job, call, 'cancel'));
    } else {
      done = await mergeLayers(this.#context, reference, options, call);
    }
    return { machine: (await this.#machines.show({ machine: reference })).machine, ...done };
  }
}
