import path from 'node:path';
import { z } from 'zod';
import { packedByItselfHours } from '../model/packable-memory.ts';
import type { PackOperations } from '../protocol/packing.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { lockHolder } from '../store/file-lock.ts';
import type { CheckpointService } from './checkpoint-service.ts';
import type { Call, EngineContext } from './engine-context.ts';
import type { JobService } from './job-service.ts';
import { readMachine } from './locked-machine.ts';
import { shortestJobBytes } from './long-operations.ts';
import { machineFolders } from './machine-folders.ts';
import { findMachine, requireOwnId } from './open-machine.ts';
import { packableOf, packMemory, type PackedMemory } from './pack-memory.ts';

type PackCalls = {
  [K in keyof PackOperations]: (
    params: PackOperations[K]['params'],
    call: Call,
  ) => Promise<PackOperations[K]['result']>;
};

const operation = 'packMemory';
const bytes = z.int().min(0);
const packed = z.object({ packed: bytes, freedBytes: bytes, problem: z.string().exactOptional() });

/** False when the environment says that memory is packed only when somebody asks for it. */
function packsByItself({ VM_CHECKPOINTS_PACK_MEMORY: chosen }: NodeJS.ProcessEnv): boolean {
  return chosen !== 'off';
}

/** Packing saved memory, once for all faces. What is much runs as a job. */
export class PackService implements PackCalls {
  readonly #context: EngineContext;
  readonly #machines: Pick<CheckpointService, 'show'>;
  readonly #jobs: Pick<JobService, 'run' | 'start' | 'jobs'>;
  /** Checkpoints for which this engine has begun a job: one that failed is not to be begun again and again. */
  readonly #begun = new Set<string>();

  constructor(
    context: EngineContext,
    machines: Pick<CheckpointService, 'show'>,
    jobs: Pick<JobService, 'run' | 'start' | 'jobs'>,
  ) {
    this.#context = context;
    this.#machines = machines;
    this.#jobs = jobs;
  }

  async packMemory(
    { machine: reference, ...options }: PackOperations['packMemory']['params'],
    call: Call,
  ): Promise<PackOperations['packMemory']['result']> {
    const folder = await findMachine(this.#context, reference);
    const records = await readMachine(folder);
    const { id, name } = records.definition;
    const packable = await packableOf(folder, records, options);
    let done: PackedMemory = { packed: 0, freedBytes: 0 };
    if (packable.reduce((sum, { memory }) => sum + memory.sizeBytes, 0) >= shortestJobBytes) {
      await requireOwnId(this.#context, id);
      const job = { operation, machine: { id, name }, params: { machine: id, ...options } };
      done = packed.parse(await this.#jobs.run(job, call, 'cancel'));
    } else if (packable.length > 0) {
      done = await packMemory(this.#context, reference, options, call);
    }
    return { machine: (await this.#machines.show({ machine: reference })).machine, ...done };
  }

  /**
   * What an engine that stays packs without being asked: begins a job for each machine that has memory to be packed, which
   * nobody waits for.
   * @returns ids of the jobs
   */
  async packDue(): Promise<string[]> {
    if (!packsByItself(process.env)) {
      return [];
    }
    const begun: string[] = [];
    for (const folder of await machineFolders(this.#context)) {
      try {
        const job = await this.#beginDue(folder);
        begun.push(...(job === undefined ? [] : [job]));
      } catch (error) {
        this.#context.log.info(`Memory of ${path.basename(folder.path)} is not packed for now: ${String(error)}`);
      }
    }
    return begun;
  }

  async #beginDue(folder: MachineFolder): Promise<string | undefined> {
    const records = await readMachine(folder);
    const options = { olderThanHours: packedByItselfHours };
    const due = (await packableOf(folder, records, options)).filter(({ id }) => !this.#begun.has(id));
    const { id, name } = records.definition;
    // Whoever changes the machine comes first; there is a next time.
    if (due.length === 0 || (await lockHolder(folder.lock)) !== undefined || (await this.#isPacking(id))) {
      return undefined;
    }
    await requireOwnId(this.#context, id);
    due.forEach((one) => this.#begun.add(one.id));
    const params = { machine: id, ...options };
    return (await this.#jobs.start({ operation, machine: { id, name }, params })).id;
  }

  async #isPacking(machine: string): Promise<boolean> {
    const { jobs } = await this.#jobs.jobs();
    return jobs.some((job) => job.operation === operation && job.machine?.id === machine && job.state === 'running');
  }
}
