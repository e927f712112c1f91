import { isAbort, CheckpointError, toWireError } from '../model/checkpoint-error.ts';
import { FolderWatch } from '../store/folder-watch.ts';
import { fitsRecord, type JobFolder, type Unversioned } from '../store/job-folder.ts';
import { JobProgressWriter, type ByteCount } from '../store/job-progress.ts';
import type { JobOutcomeRecord, JobRecord } from '../store/job-records.ts';
import { withLock } from '../store/machine-lock.ts';
import type { Call } from './engine-context.ts';

/** How a job calls its operation. */
export interface JobCall extends Call {
  /** Aborted already when the operation is only to undo what an interrupted run of it left. */
  signal: AbortSignal;
  report: (message: string, fraction?: number, bytes?: ByteCount) => void;
}

/**
 * The operations that can run as jobs, by name. Each checks its parameters itself, is safe to repeat after its process
 * was killed at any instant, and, once the signal is aborted, undoes what it began and throws.
 */
export type RunnableJobs = Readonly<Record<string, (params: unknown, call: JobCall) => Promise<object>>>;

/** A wish to cancel is noticed within this time even where the system gives no notice of it. */
const cancelPollMs = 1000;

type Outcome = Unversioned<JobOutcomeRecord>;

/**
 * Carries out a job in this process, and records how it ended. A job that has ended already is left alone.
 * @param cancel aborted when somebody asks for the job's end; the caller may abort it too
 * @throws Locked while another process carries it out; JobNotFound, JobDamaged
 */
export async function runJob(
  folder: JobFolder,
  jobs: RunnableJobs,
  cancel: AbortController,
): Promise<JobOutcomeRecord['state']> {
  return withLock(folder.lock, `Job ${folder.id}`, { operation: 'job', face: 'a job' }, async () => {
    const job = await folder.readJob();
    const ended = await folder.readOutcome();
    if (ended !== undefined) {
      return ended.state;
    }
    await folder.claim('runner');
    const outcome = await carryOut(folder, job, jobs, cancel);
    await folder.writeOutcome(outcome);
    return outcome.state;
  });
}

async function carryOut(
  folder: JobFolder,
  job: JobRecord,
  jobs: RunnableJobs,
  cancel: AbortController,
): Promise<Outcome> {
  const progress = new JobProgressWriter(folder);
  const over = new AbortController();
  if (await folder.isCancelAsked()) {
    cancel.abort();
  }
  const watching = watchForCancel(folder, cancel, over.signal);
  try {
    const operation = Object.hasOwn(jobs, job.operation) ? jobs[job.operation] : undefined;
    if (operation === undefined) {
      throw new CheckpointError(
        'InvalidArgument',
        `This engine cannot run “${job.operation}” as a job. Was the job begun by a newer engine?`,
        { operation: job.operation },
      );
    }
    process.chdir(job.workingFolder);
    const result = await operation(job.params, {
      signal: cancel.signal,
      report: (message, fraction, bytes) => progress.report(message, fraction, bytes),
    });
    const outcome: Outcome = { state: 'done', ended: new Date().toISOString(), result: { ...result } };
    if (!fitsRecord(outcome)) {
      throw new Error(`The result of ${job.operation} is too long to keep.`);
    }
    return outcome;
  } catch (error) {
    return failure(error, cancel.signal);
  } finally {
    over.abort();
    await watching;
    await progress.close();
  }
}

function failure(thrown: unknown, cancelled: AbortSignal): Outcome {
  const error = toWireError(thrown);
  if (error.code === 'Internal' && !isAbort(thrown)) {
    // Standard error is the job's log.
    process.stderr.write(`${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`);
  }
  const state = cancelled.aborted && error.code === 'Cancelled' ? 'cancelled' : 'failed';
  return { state, ended: new Date().toISOString(), error };
}

async function watchForCancel(folder: JobFolder, cancel: AbortController, over: AbortSignal): Promise<void> {
  const watch = new FolderWatch(folder.path);
  try {
    while (!over.aborted && !cancel.signal.aborted) {
      if (await folder.isCancelAsked()) {
        cancel.abort();
      } else {
        await watch.change(cancelPollMs, over);
      }
    }
  } finally {
    watch.close();
  }
}
