import { z } from 'zod';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { QmpConnection } from './qmp.ts';

const jobsAnswer = z.array(
  z.object({
    id: z.string(),
    /** `JobStatus` of QEMU's job schema. */
    status: z.string(),
    'current-progress': z.number(),
    'total-progress': z.number(),
    error: z.string().exactOptional(),
  }),
);
export type BlockJob = z.output<typeof jobsAnswer>[number];

/** `BlockDeviceIoStatus` of QEMU's block schema, of each job; its `device` is the job's id. */
const ioAnswer = z.array(z.object({ device: z.string(), 'io-status': z.string() }));

const pollMs = 40;
const cancelPollMs = 5;
/** A job gives up at its next step; one that waits for a disk needs as long as that disk. */
const cancelLimitMs = 60_000;

export async function findBlockJob(monitor: QmpConnection, id: string): Promise<BlockJob | undefined> {
  return (await monitor.query('query-jobs', jobsAnswer)).find((job) => job.id === id);
}

export interface BlockJobWatch {
  signal?: AbortSignal;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** The same, as long as it goes on; what it throws ends the waiting. */
  keepPace?: (doneBytes: number, totalBytes: number) => Promise<void>;
}

/**
 * Waits until a job has one of these statuses.
 * @throws QemuFailed when it has failed or is gone, and the signal's reason; it goes on then
 */
export async function untilBlockJob(
  monitor: QmpConnection,
  id: string,
  statuses: readonly string[],
  { signal, onProgress, keepPace }: BlockJobWatch = {},
): Promise<BlockJob> {
  const look = async (): Promise<BlockJob | undefined> => {
    const job = await findBlockJob(monitor, id);
    if (job === undefined) {
      throw new CheckpointError('QemuFailed', `QEMU's job ${id} is gone.`, { id });
    }
    const problem = job.error === undefined ? await whyItWaits(monitor, job) : saidByQemu(job.error);
    if (problem !== undefined) {
      throw failed(problem);
    }
    onProgress?.(job['current-progress'], job['total-progress']);
    if (statuses.includes(job.status)) {
      return job;
    }
    await keepPace?.(job['current-progress'], job['total-progress']);
    return undefined;
  };
  return monitor.until(look, { everyMs: pollMs, signal });
}

/** Why a job does not go on, or has failed. */
type JobProblem = { kind: 'full volume' } | { kind: 'disk error' } | { kind: 'other'; words: string };

/** A job that stops on errors stands still after one, also when all but the guest's writes is copied; only its I/O status tells. */
async function whyItWaits(monitor: QmpConnection, { id, status }: BlockJob): Promise<JobProblem | undefined> {
  if (status !== 'paused' && status !== 'standby') {
    return undefined;
  }
  const found = (await monitor.query('query-block-jobs', ioAnswer)).find(({ device }) => device === id);
  switch (found?.['io-status']) {
    case 'nospace':
      return { kind: 'full volume' };
    case 'failed':
      return { kind: 'disk error' };
    default:
      return undefined;
  }
}

/** QEMU has no code for why a job failed, only the system's words for it (strerror(3) of ENOSPC and EDQUOT). */
function saidByQemu(words: string): JobProblem {
  return /No space left on device|Disk quota exceeded/.test(words) ? { kind: 'full volume' } : { kind: 'other', words };
}

/** Ends a job that has not been finalized, which leaves the chain as it was, and forgets it. Safe to repeat. */
export async function endBlockJob(monitor: QmpConnection, id: string): Promise<void> {
  let isTold = false;
  const end = async (): Promise<true | undefined> => {
    const job = await findBlockJob(monitor, id);
    if (job === undefined) {
      return true;
    }
    if (job.status === 'concluded') {
      await monitor.execute('job-dismiss', { id });
      return true;
    }
    if (!isTold && job.status !== 'aborting') {
      isTold = true;
      await monitor.execute('job-cancel', { id });
    }
    return undefined;
  };
  await monitor.until(end, { everyMs: cancelPollMs, limit: { ms: cancelLimitMs, what: `QEMU's job ${id}` } });
}

/** Lets a job that waits for it change the chain, and forgets it. @throws QemuFailed */
export async function finalizeBlockJob(monitor: QmpConnection, id: string): Promise<void> {
  await monitor.execute('job-finalize', { id });
  await untilBlockJob(monitor, id, ['concluded']);
  await monitor.execute('job-dismiss', { id });
}

function failed(problem: JobProblem): CheckpointError {
  switch (problem.kind) {
    case 'full volume':
      return new CheckpointError(
        'NotEnoughSpace',
        'The volume became full while layers were merged. They are as before; free some space, then merge again.',
      );
    case 'disk error':
      return new CheckpointError(
        'QemuFailed',
        'QEMU could not merge the layers: a disk could not be read or written. They are as before.',
      );
    case 'other':
      return new CheckpointError(
        'QemuFailed',
        `QEMU could not merge the layers: ${problem.words}. They are as before.`,
        {
          output: problem.words,
        },
      );
  }
}
