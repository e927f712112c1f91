import { rename, stat, writeFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { JobInfo, JobProgress } from '../protocol/jobs.ts';
import { readRecord, writeRecord } from './atomic-file.ts';
import {
  jobOutcomeRecord,
  jobProcessRecord,
  jobProgressRecord,
  jobRecord,
  jobRecordVersion,
  type JobOutcomeRecord,
  type JobProcessRecord,
  type JobRecord,
} from './job-records.ts';
import { isProcessAlive, processIdentity } from './process-identity.ts';

/** Longer ones are not written; the limit on what is read, in `atomic-file.ts`, is higher. */
const largestRecordBytes = 1024 * 1024;

export type Unversioned<T> = T extends unknown ? Omit<T, 'version'> : never;

/**
 * The folder of one job:
 *
 * - `job.json` what is to be done, `outcome.json` how it ended: each written once
 * - `process.json` who answers for it, `progress.json` how far it has come
 * - `cancel` somebody wants it to end
 * - `lock` held by the job's process as long as it works, and for a moment by whoever lets the job go on
 * - `log` what the job's process printed
 */
export class JobFolder {
  readonly path: string;

  constructor(folder: string) {
    this.path = folder;
  }

  get id(): string {
    return path.basename(this.path);
  }
  get lock(): string {
    return path.join(this.path, 'lock');
  }
  get logFile(): string {
    return path.join(this.path, 'log');
  }

  /** @throws JobNotFound, JobDamaged */
  async readJob(): Promise<JobRecord> {
    const job = await this.#read('job.json', jobRecord);
    if (job === undefined) {
      throw jobNotFound(this.id);
    }
    if (job.id !== this.id) {
      throw this.#damaged(`job.json is that of another job, ${job.id}`);
    }
    return job;
  }

  /** @throws InvalidArgument when the parameters are too long to keep */
  async writeJob(job: Omit<JobRecord, 'version'>): Promise<void> {
    if (!fitsRecord(job)) {
      throw new CheckpointError('InvalidArgument', `The parameters of ${job.operation} are too long for a job.`, {});
    }
    await this.#write('job.json', job);
  }

  /** Without reading it. */
  async hasOutcome(): Promise<boolean> {
    return this.#exists('outcome.json');
  }

  /** @throws JobDamaged */
  async readOutcome(): Promise<JobOutcomeRecord | undefined> {
    return this.#read('outcome.json', jobOutcomeRecord);
  }

  /** From then on the job has ended. */
  async writeOutcome(outcome: Unversioned<JobOutcomeRecord>): Promise<void> {
    await this.#write('outcome.json', outcome);
  }

  /** Who answers for the job; undefined also when the record cannot be believed: nobody can be told to live by it. */
  async readProcess(): Promise<JobProcessRecord | undefined> {
    return this.#read('process.json', jobProcessRecord).catch(() => undefined);
  }

  /** This process answers for the job from now on. */
  async claim(role: JobProcessRecord['role']): Promise<void> {
    const identity = await processIdentity(process.pid);
    await this.#write('process.json', { role, pid: process.pid, ...(identity === undefined ? {} : { identity }) });
  }

  async writeProgress(progress: JobProgress): Promise<void> {
    const file = path.join(this.path, 'progress.json');
    // One process writes it, and it needs to be whole, not durable.
    await writeFile(`${file}.new`, JSON.stringify({ version: jobRecordVersion, ...progress }), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  async #readProgress(): Promise<JobProgress | undefined> {
    // What a power failure left of it may be anything.
    const record = await this.#read('progress.json', jobProgressRecord).catch(() => undefined);
    if (record === undefined) {
      return undefined;
    }
    const { version: _, ...progress } = record;
    return progress;
  }

  /** Asks whoever runs the job to end it. Works across processes and on every system, unlike a signal. */
  async askToCancel(face: string): Promise<void> {
    await this.#write('cancel', { face, pid: process.pid, asked: new Date().toISOString() });
  }

  async isCancelAsked(): Promise<boolean> {
    return this.#exists('cancel');
  }

  async forgetCancel(): Promise<void> {
    await rm(path.join(this.path, 'cancel'), { force: true });
  }

  /**
   * All that is known of the job at this moment.
   * @throws JobNotFound, JobDamaged
   */
  async info(): Promise<JobInfo> {
    const { version: _version, workingFolder: _folder, ...job } = await this.readJob();
    const [answering, isCancelling] = await Promise.all([this.readProcess(), this.isCancelAsked()]);
    const isAlive = answering !== undefined && (await isProcessAlive(answering.pid, answering.identity));
    // After that: a process that is gone may have ended the job in the meantime.
    const outcome = await this.readOutcome();
    // After the outcome: a job that ended is shown with the progress that it told last.
    const progress = await this.#readProgress();
    const common = { ...job, isCancelling, logFile: this.logFile, ...(progress === undefined ? {} : { progress }) };
    if (outcome !== undefined) {
      const { version: _, ...ending } = outcome;
      return { ...common, ...ending };
    }
    if (!isAlive) {
      return { ...common, state: 'interrupted' };
    }
    // Who only starts it is not to be taken for it: whoever ends that process would end an engine.
    return { ...common, state: 'running', ...(answering.role === 'runner' ? { pid: answering.pid } : {}) };
  }

  async #exists(name: string): Promise<boolean> {
    return stat(path.join(this.path, name)).then(
      () => true,
      () => false,
    );
  }

  async #read<S extends z.ZodType>(name: string, schema: S): Promise<z.output<S> | undefined> {
    try {
      return await readRecord(path.join(this.path, name), schema);
    } catch (error) {
      if (error instanceof CheckpointError && error.code === 'MachineDamaged') {
        throw this.#damaged(`of ${name}, ${String(error.data['problem'])}`);
      }
      throw error;
    }
  }

  async #write(name: string, record: object): Promise<void> {
    await writeRecord(path.join(this.path, name), { version: jobRecordVersion, ...record });
  }

  #damaged(problem: string): CheckpointError {
    return new CheckpointError(
      'JobDamaged',
      `The records of job ${this.id} cannot be believed: ${problem}. Move its folder away when the job is of no use: ${this.path}.`,
      { job: this.id, path: this.path, problem },
    );
  }
}

export function jobNotFound(reference: string): CheckpointError {
  return new CheckpointError(
    'JobNotFound',
    `There is no job “${reference}”. Jobs that ended are forgotten after a while (ckpt jobs tells those there are).`,
    { job: reference },
  );
}

/** False for what is too long to be kept. */
export function fitsRecord(record: object): boolean {
  return Buffer.byteLength(JSON.stringify(record, null, 2)) < largestRecordBytes;
}
