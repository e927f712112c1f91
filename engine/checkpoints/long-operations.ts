import { z } from 'zod';
import { bytesToMerge } from '../disks/operations/merge.ts';
import { openChain } from '../disks/open-chain.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { chosenForDelete, findCheckpoint } from '../model/tree.ts';
import type { DiskOperations, OnDisk } from '../protocol/disks.ts';
import type { Params, Result } from '../protocol/operations.ts';
import type { MachineRecords } from '../store/machine-folder.ts';
import type { CheckpointService } from './checkpoint-service.ts';
import type { DiskService } from './disk-service.ts';
import type { Call, EngineContext } from './engine-context.ts';
import type { JobService } from './job-service.ts';
import { readMachine } from './locked-machine.ts';
import { viewCheckpoint } from './machine-summary.ts';
import { withRunningMerges, type MergeOptions } from './merge-layers.ts';
import { findMachine, requireOwnId } from './open-machine.ts';
import { bytesToPurge } from './purge.ts';
import { findTrashed } from './trash.ts';

/** What moves less than this is done before a process would have begun. */
export const shortestJobBytes = 64 * 1024 * 1024;

const bytes = z.int().min(0);
const beforeAndAfter = z.object({ before: bytes, after: bytes });
const mergeResult = z.object({ into: z.string(), obsolete: z.array(z.string()), movedBytes: bytes });
const convertResult = z.object({ files: z.array(z.string()), virtualSizeBytes: bytes, writtenBytes: bytes });
const compactResult = z.object({ allocatedBytes: beforeAndAfter, fileSizeBytes: beforeAndAfter });
const purgeResult = z.object({ freedBytes: bytes, movedBytes: bytes, problem: z.string().exactOptional() });

/** A machine with checkpoints that are to be deleted for good. */
interface Doomed {
  machine: { id: string; name: string };
  checkpoints: Checkpoint[];
}

/**
 * Operations that can take long, once for all faces: what moves many bytes runs as a job, which goes on when the window is
 * gone; what moves few runs in this process. Aborting the call cancels the job, unless the window's end was the reason.
 */
export class LongOperations {
  readonly #context: EngineContext;
  readonly #service: CheckpointService;
  readonly #disks: DiskService;
  readonly #jobs: JobService;

  constructor(context: EngineContext, service: CheckpointService, disks: DiskService, jobs: JobService) {
    this.#context = context;
    this.#service = service;
    this.#disks = disks;
    this.#jobs = jobs;
  }

  async diskMerge(
    params: DiskOperations['diskMerge']['params'],
    call: Call,
  ): Promise<DiskOperations['diskMerge']['result']> {
    return (await isLong(() => mergeBytes(params)))
      ? mergeResult.parse(await this.#run('diskMerge', params, call))
      : this.#disks.diskMerge(params, call);
  }

  async diskConvert(
    params: DiskOperations['diskConvert']['params'],
    call: Call,
  ): Promise<DiskOperations['diskConvert']['result']> {
    return (await isLong(() => this.#convertBytes(params)))
      ? convertResult.parse(await this.#run('diskConvert', params, call))
      : this.#disks.diskConvert(params, call);
  }

  async diskCompact(params: OnDisk, call: Call): Promise<DiskOperations['diskCompact']['result']> {
    return (await isLong(async () => (await this.#disks.diskInfo(params)).allocatedBytes))
      ? compactResult.parse(await this.#run('diskCompact', params, call))
      : this.#disks.diskCompact(params, call);
  }

  async delete(params: Params<'delete'>, call: Call): Promise<Result<'delete'>> {
    const doomed = params.purge === true ? await this.#doomed(params.machine, toDelete(params)) : undefined;
    if (doomed === undefined) {
      const deleted = await this.#service.delete(params, call);
      return params.purge === true ? this.#merged(deleted, params, call) : deleted;
    }
    const gone = await this.#purge('delete', doomed, params, call);
    const { checkpoints } = doomed;
    const tree = { machine: doomed.machine.name, checkpoints, now: { activeLayers: {} } };
    return {
      ...gone,
      deleted: viewCheckpoint(findCheckpoint(tree, params.checkpoint)),
      all: checkpoints.map(viewCheckpoint),
    };
  }

  async emptyTrash(params: Params<'emptyTrash'>, call: Call): Promise<Result<'emptyTrash'>> {
    const doomed = await this.#doomed(params.machine, toDiscard(params));
    if (doomed === undefined) {
      return this.#merged(await this.#service.emptyTrash(params, call), params, call);
    }
    const gone = await this.#purge('emptyTrash', doomed, params, call);
    return { ...gone, discarded: doomed.checkpoints.map(viewCheckpoint) };
  }

  /** What only a running machine can merge away. */
  async #merged<R extends Result<'emptyTrash'> | Result<'delete'>>(
    done: R,
    options: MergeOptions,
    call: Call,
  ): Promise<R> {
    const { id: machine, state } = done.machine;
    if (state === 'stopped' || done.problem !== undefined) {
      return done;
    }
    const merged = await withRunningMerges(this.#context, machine, done, options, call);
    return { ...merged, machine: (await this.#service.show({ machine })).machine };
  }

  async #purge(
    operation: 'delete' | 'emptyTrash',
    { machine, checkpoints }: Doomed,
    { speed }: MergeOptions,
    call: Call,
  ): Promise<Pick<Result<'emptyTrash'>, 'machine' | 'freedBytes' | 'movedBytes' | 'problem'>> {
    const ids = checkpoints.map(({ id }) => id);
    const params = { machine: machine.id, checkpoints: ids, ...(speed === undefined ? {} : { speed }) };
    const job = { operation, machine, params };
    const gone = purgeResult.parse(await this.#jobs.run(job, call, 'cancel'));
    return { machine: (await this.#service.show({ machine: machine.id })).machine, ...gone };
  }

  /**
   * @returns undefined when it is done quickly, and when it will be refused: the operation itself then says why
   * @throws AmbiguousName
   */
  async #doomed(reference: string, choose: (records: MachineRecords) => Checkpoint[]): Promise<Doomed | undefined> {
    let doomed: Doomed | undefined;
    const long = await isLong(async () => {
      const folder = await findMachine(this.#context, reference);
      const records = await readMachine(folder);
      const checkpoints = choose(records);
      const { id, name } = records.definition;
      doomed = { machine: { id, name }, checkpoints };
      return bytesToPurge(
        folder,
        records,
        checkpoints.map((one) => one.id),
      );
    });
    if (!long || doomed === undefined) {
      return undefined;
    }
    await requireOwnId(this.#context, doomed.machine.id);
    return doomed;
  }

  /** A chain that stays one becomes several files, each published when it is whole: too much for a job to go on with. */
  async #convertBytes(params: DiskOperations['diskConvert']['params']): Promise<number> {
    const { layers } = await this.#disks.diskChain(onDisk(params), {});
    const isOneFile = layers.length === 1 || params.flatten === true;
    return isOneFile ? layers.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0) : 0;
  }

  #run(operation: string, params: object, call: Call): Promise<Record<string, unknown>> {
    return this.#jobs.run({ operation, params: { ...params } }, call, 'cancel');
  }
}

/** What cannot be measured is tried at once, and refused with its reason. */
async function isLong(measure: () => Promise<number>): Promise<boolean> {
  return (await measure().catch(() => 0)) >= shortestJobBytes;
}

async function mergeBytes(params: DiskOperations['diskMerge']['params']): Promise<number> {
  const chain = await openChain(params.file, {
    ...(params.from === undefined ? {} : { format: params.from }),
    ...(params.allowParents === undefined ? {} : { allowParents: params.allowParents }),
  });
  try {
    // To an ancestor further down it may be more, never less.
    const moved = await bytesToMerge(chain, 1);
    return params.reverse === true ? moved.child : moved.ancestor;
  } finally {
    await chain.close();
  }
}

function onDisk({ file, from, allowParents }: OnDisk): OnDisk {
  return { file, ...(from === undefined ? {} : { from }), ...(allowParents === undefined ? {} : { allowParents }) };
}

function toDelete(params: Params<'delete'>): (records: MachineRecords) => Checkpoint[] {
  return ({ definition, checkpoints, now }) => chosenForDelete({ machine: definition.name, checkpoints, now }, params);
}

function toDiscard({ checkpoint }: Params<'emptyTrash'>): (records: MachineRecords) => Checkpoint[] {
  return (records) =>
    (checkpoint === undefined ? records.trash : [findTrashed(records, checkpoint)]).map((one) => one.checkpoint);
}
