import { CheckpointError } from '../model/checkpoint-error.ts';
import type { JobInfo, JobOperations, OnJob } from '../protocol/jobs.ts';
import type { JobFolder } from '../store/job-folder.ts';
import { Jobs, type NewJob } from '../store/jobs.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { resultOf, watchJob, type Following } from './follow-job.ts';
import { beginJob, ownProgram, reviveJob, type JobProgram } from './job-runner.ts';
import { windowEnded } from './window-end.ts';

type JobCalls = {
  [K in keyof JobOperations]: (params: JobOperations[K]['params'], call: Call) => Promise<JobOperations[K]['result']>;
};

/** The operations on jobs, once for all faces; and how other services run their work as jobs. */
export class JobService implements JobCalls {
  readonly #context: Pick<EngineContext, 'home' | 'face' | 'log'>;
  readonly #program: JobProgram;
  readonly #jobs: Jobs;

  constructor(context: Pick<EngineContext, 'home' | 'face' | 'log'>, program: JobProgram = ownProgram()) {
    this.#context = context;
    this.#program = program;
    this.#jobs = new Jobs(context.home);
  }

  async jobs(): Promise<JobOperations['jobs']['result']> {
    return this.#jobs.list();
  }

  async followJob({ job }: OnJob, call: Call = {}): Promise<{ job: JobInfo }> {
    const folder = await this.#jobs.find(job);
    const ended = await watchJob(folder, following(call));
    resultOf(ended);
    return { job: ended };
  }

  async cancelJob({ job }: OnJob, call: Call = {}): Promise<{ job: JobInfo }> {
    return { job: await this.#cancel(await this.#jobs.find(job), call) };
  }

  async resumeJob({ job }: OnJob): Promise<{ job: JobInfo }> {
    const folder = await this.#jobs.find(job);
    await this.#revive(folder, 'resume');
    return { job: await folder.info() };
  }

  /**
   * Begins a job. Once this has resolved, nothing that happens to this process touches the job.
   * @param job relative paths in its parameters start from this process' working folder
   * @throws InvalidArgument when the parameters are too long; Internal when its process does not begin
   */
  async start(job: Omit<NewJob, 'workingFolder'>, { signal }: Call = {}): Promise<JobInfo> {
    return (await this.#start(job, signal)).info();
  }

  /**
   * Begins a job and waits for its result.
   * @param onAbort what the call's signal does: cancel the job (and wait until it has undone what it began), or leave it be.
   *   The window's end always leaves it be.
   * @returns the operation's result, as JSON keeps it
   * @throws the operation's own error; Cancelled; JobInterrupted; as {@link start}
   */
  async run(
    job: Omit<NewJob, 'workingFolder'>,
    call: Call,
    onAbort: 'cancel' | 'leave',
  ): Promise<Record<string, unknown>> {
    const folder = await this.#start(job, call.signal);
    try {
      return resultOf(await watchJob(folder, following(call)));
    } catch (error) {
      if (onAbort === 'leave' || call.signal?.aborted !== true || call.signal.reason === windowEnded) {
        throw error;
      }
      const { signal: _, ...withoutSignal } = call;
      return resultOf(await this.#cancel(folder, withoutSignal));
    }
  }

  async #start(job: Omit<NewJob, 'workingFolder'>, signal: AbortSignal | undefined): Promise<JobFolder> {
    const { home, face, log } = this.#context;
    signal?.throwIfAborted();
    const folder = await this.#jobs.create({ ...job, workingFolder: process.cwd() }, face);
    await beginJob(folder, this.#program, home.root);
    await this.#jobs.sweep(new Date()).catch((error: unknown) => log.error(`Old jobs stay: ${String(error)}`));
    return folder;
  }

  async #cancel(folder: JobFolder, call: Call): Promise<JobInfo> {
    const { state } = await folder.info();
    if (state === 'running') {
      await folder.askToCancel(this.#context.face);
    }
    const stopped = await watchJob(folder, following(call));
    if (stopped.state !== 'interrupted') {
      return stopped;
    }
    try {
      await this.#revive(folder, 'undo');
    } catch (error) {
      // Somebody else was first to undo it.
      if (!(error instanceof CheckpointError && error.code === 'NothingToResume')) {
        throw error;
      }
    }
    const undone = await watchJob(folder, following(call));
    if (undone.state === 'interrupted') {
      resultOf(undone);
    }
    return undone;
  }

  async #revive(folder: JobFolder, purpose: 'resume' | 'undo'): Promise<void> {
    const { home, face } = this.#context;
    await reviveJob(folder, purpose, face, this.#program, home.root);
  }
}

function following({ signal, report }: Call): Following {
  return {
    ...(signal === undefined ? {} : { signal }),
    onProgress: ({ message, fraction }) => report?.(message, fraction),
  };
}
