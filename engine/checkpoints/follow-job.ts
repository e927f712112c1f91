import { CheckpointError } from '../model/checkpoint-error.ts';
import type { JobInfo, JobProgress } from '../protocol/jobs.ts';
import { FolderWatch } from '../store/folder-watch.ts';
import type { JobFolder } from '../store/job-folder.ts';

/** The death of a job's process, of which the system gives no notice here, is seen within this time. */
const pollMs = 1000;

export interface Following {
  /** Ends the following, never the job. */
  signal?: AbortSignal;
  onProgress?: (progress: JobProgress) => void;
}

/**
 * Waits until a job no longer runs, in whichever process.
 * @returns the job, ended or interrupted
 * @throws JobNotFound, JobDamaged, and the signal's reason
 */
export async function watchJob(folder: JobFolder, { signal, onProgress }: Following): Promise<JobInfo> {
  const watch = new FolderWatch(folder.path);
  let told: string | undefined;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const job = await folder.info();
      if (job.progress !== undefined && job.progress.updated !== told) {
        told = job.progress.updated;
        onProgress?.(job.progress);
      }
      if (job.state !== 'running') {
        return job;
      }
      await watch.change(pollMs, signal);
    }
  } finally {
    watch.close();
  }
}

/**
 * The result of a job that no longer runs.
 * @throws the job's own error; Cancelled; JobInterrupted
 */
export function resultOf(job: JobInfo): Record<string, unknown> {
  if (job.error !== undefined) {
    const { code, message, data } = job.error;
    throw new CheckpointError(code, message, data);
  }
  if (job.result === undefined) {
    const on = job.machine === undefined ? '' : ` on “${job.machine.name}”`;
    throw new CheckpointError(
      'JobInterrupted',
      `The job ${job.operation}${on} was interrupted: its process is gone. Let it go on (ckpt jobs resume ${job.id}), or undo it (ckpt jobs cancel ${job.id}).`,
      { job: job.id, operation: job.operation, logFile: job.logFile },
    );
  }
  return job.result;
}

/**
 * Waits for the result of a job.
 * @throws the job's own error; Cancelled; JobInterrupted; JobNotFound, JobDamaged; and the signal's reason
 */
export async function followJob(folder: JobFolder, following: Following): Promise<Record<string, unknown>> {
  return resultOf(await watchJob(folder, following));
}
