import type { Command } from 'commander';
import type { JobService } from '../checkpoints/job-service.ts';
import type { Engine } from '../engine.ts';
import type { JobInfo, JobOperations, JobProgress } from '../protocol/jobs.ts';
import type { Output } from './output.ts';
import { runVerb, verb as newVerb, type CommonOptions } from './verb.ts';

/**
 * `ckpt jobs` and its verbs: work that goes on when the window or the terminal that began it is gone.
 * @param jobsOf the engine's service for them
 */
export function addJobVerbs(program: Command, output: Output, jobsOf: (engine: Engine) => JobService): void {
  const run = (options: CommonOptions, action: Parameters<typeof runVerb>[2]): Promise<void> =>
    runVerb(output, options, action);

  // Else `jobs` would take the options of its verbs for its own.
  program.enablePositionalOptions();
  const list = newVerb(program, 'jobs', 'show long work: running, interrupted and ended')
    .enablePositionalOptions()
    .action((options: CommonOptions) =>
      run(options, async (engine) => {
        const listed = await jobsOf(engine).jobs();
        output.result(listed, jobsText(listed));
      }),
    );

  newVerb(list, 'follow <job>', 'wait until a job has ended, and fail as it does; Ctrl+C leaves the job be').action(
    (job: string, options: CommonOptions) =>
      run(options, async (engine, call) => {
        const followed = await jobsOf(engine).followJob({ job }, call);
        output.result(followed, jobText(followed.job));
      }),
  );

  newVerb(list, 'cancel <job>', 'end a running job, or undo an interrupted one')
    .alias('undo')
    .action((job: string, options: CommonOptions) =>
      run(options, async (engine, call) => {
        const cancelled = await jobsOf(engine).cancelJob({ job }, call);
        output.result(cancelled, jobText(cancelled.job));
      }),
    );

  newVerb(list, 'resume <job>', 'let an interrupted job go on').action((job: string, options: CommonOptions) =>
    run(options, async (engine) => {
      const resumed = await jobsOf(engine).resumeJob({ job });
      output.result(resumed, jobText(resumed.job));
    }),
  );
}

function jobsText({ jobs, damaged }: JobOperations['jobs']['result']): string {
  const lines = [...jobs.map(jobText), ...damaged.map(({ problem }) => problem)];
  return lines.length === 0 ? 'No jobs.' : lines.join('\n');
}

function jobText(job: JobInfo): string {
  const facts = [
    job.id.slice(0, 8),
    job.state === 'running' && job.isCancelling ? 'being cancelled' : job.state,
    job.operation,
    ...(job.machine === undefined ? [] : [job.machine.name]),
    ...(job.state === 'running' && job.progress !== undefined ? [progressText(job.progress)] : []),
    ...(job.state === 'interrupted' ? [`ckpt jobs resume ${job.id}, or ckpt jobs cancel ${job.id} to undo it`] : []),
    ...(job.state === 'failed' && job.error !== undefined ? [job.error.message] : []),
  ];
  return facts.join('  ');
}

function progressText({ message, fraction, remainingMs }: JobProgress): string {
  const share = fraction === undefined ? '' : ` ${Math.floor(fraction * 100)} %`;
  const remaining = remainingMs === undefined ? '' : `, ${durationText(remainingMs)} left`;
  return `${message}${share}${remaining}`;
}

function durationText(durationMs: number): string {
  const seconds = Math.ceil(durationMs / 1000);
  if (seconds < 60) {
    return `${seconds} s`;
  }
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
