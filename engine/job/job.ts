import { runJob, type RunnableJobs } from '../checkpoints/run-job.ts';
import type { Home } from '../store/home.ts';
import { Jobs } from '../store/jobs.ts';

const exitCode = { done: 0, failed: 1, cancelled: 130 } as const;

/**
 * `engine job ID`: the process of one job. SIGTERM and SIGINT cancel it; the end of a terminal is none of its business.
 * @returns the exit code
 */
export async function carryOutJob(home: Home, id: string, jobs: RunnableJobs): Promise<number> {
  const cancel = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => cancel.abort());
  }
  process.on('SIGHUP', () => undefined);
  return exitCode[await runJob(await new Jobs(home).find(id), jobs, cancel)];
}
