import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError, systemCode, toWireError } from '../model/checkpoint-error.ts';
import type { DamagedJob, JobInfo } from '../protocol/jobs.ts';
import { syncFolder } from './atomic-file.ts';
import type { Home } from './home.ts';
import { JobFolder, jobNotFound } from './job-folder.ts';
import { jobId, type JobRecord } from './job-records.ts';

/** How many jobs that have ended are kept, and for how long. */
const keptJobs = 50;
const keptForMs = 7 * 24 * 60 * 60 * 1000;

/** A folder that is being made or removed is gone long before; else whoever did it has died. */
const abandonedAfterMs = 24 * 60 * 60 * 1000;

const shortestReference = 4;

/** What there is to say of a job before it begins. */
export type NewJob = Pick<JobRecord, 'operation' | 'params' | 'machine' | 'workingFolder'>;

/** The jobs of a home, whoever began them. */
export class Jobs {
  readonly #folder: string;
  readonly #volume: Home['volume'];

  constructor(home: Home) {
    this.#folder = home.jobs;
    this.#volume = home.volume;
  }

  /** Records a job for which this process answers until its own process has begun. It appears whole. */
  async create(job: NewJob, face: string): Promise<JobFolder> {
    const id = randomUUID();
    this.#volume.requireThere();
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const draft = path.join(this.#folder, `.new-${id}`);
    const folder = new JobFolder(path.join(this.#folder, id));
    await mkdir(draft, { mode: 0o700 });
    try {
      const record = new JobFolder(draft);
      const started = new Date().toISOString();
      await record.writeJob({ ...job, id, startedBy: { face, pid: process.pid }, started });
      await record.claim('starter');
      await rename(draft, folder.path);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      throw error;
    }
    await syncFolder(this.#folder);
    return folder;
  }

  /** Jobs whose process is gone without an outcome; the newest last. Jobs that ended cost next to nothing to pass over. */
  async interrupted(): Promise<JobInfo[]> {
    const found: JobInfo[] = [];
    for (const id of await this.#ids()) {
      const folder = new JobFolder(path.join(this.#folder, id));
      const info = (await folder.hasOutcome()) ? undefined : await folder.info().catch(() => undefined);
      if (info?.state === 'interrupted') {
        found.push(info);
      }
    }
    return found.sort((a, b) => Date.parse(a.started) - Date.parse(b.started));
  }

  /** All jobs, the newest first. */
  async list(): Promise<{ jobs: JobInfo[]; damaged: DamagedJob[] }> {
    const jobs: JobInfo[] = [];
    const damaged: DamagedJob[] = [];
    for (const id of await this.#ids()) {
      const folder = new JobFolder(path.join(this.#folder, id));
      try {
        jobs.push(await folder.info());
      } catch (error) {
        const { code, message } = toWireError(error);
        // One that is not found was swept while we looked.
        if (code !== 'JobNotFound') {
          damaged.push({ id, folder: folder.path, problem: message });
        }
      }
    }
    return { jobs: jobs.sort((a, b) => Date.parse(b.started) - Date.parse(a.started)), damaged };
  }

  /**
   * @param reference id, or a unique beginning of it
   * @throws JobNotFound, AmbiguousName
   */
  async find(reference: string): Promise<JobFolder> {
    const ids = await this.#ids();
    const found =
      reference.length < shortestReference ? [] : ids.filter((id) => id.startsWith(reference.toLowerCase()));
    const [id, another] = found;
    if (id === undefined) {
      throw jobNotFound(reference);
    }
    if (another !== undefined) {
      throw new CheckpointError('AmbiguousName', `“${reference}” is the beginning of several jobs. Write more of it.`, {
        job: reference,
        found,
      });
    }
    return new JobFolder(path.join(this.#folder, id));
  }

  /** Forgets jobs that ended long ago, and all but the last ones. Whatever has not ended, or is damaged, stays. */
  async sweep(at: Date): Promise<void> {
    const { jobs } = await this.list();
    const ended = jobs.flatMap(({ id, ended: time }) =>
      time === undefined ? [] : [{ id, endedMs: Date.parse(time) }],
    );
    ended.sort((a, b) => b.endedMs - a.endedMs);
    const due = ended.filter(({ endedMs }, place) => place >= keptJobs || endedMs < at.getTime() - keptForMs);
    for (const { id } of due) {
      await this.#remove(id);
    }
    for (const name of await this.#names()) {
      if (name.startsWith('.new-') || name.startsWith('.swept-')) {
        const folder = path.join(this.#folder, name);
        const found = await stat(folder).catch(() => undefined);
        if (found !== undefined && found.mtimeMs < at.getTime() - abandonedAfterMs) {
          await rm(folder, { recursive: true, force: true });
        }
      }
    }
  }

  async #remove(id: string): Promise<void> {
    const doomed = path.join(this.#folder, `.swept-${id}`);
    try {
      // A folder that lost one record after the other would look like a job that was interrupted.
      await rename(path.join(this.#folder, id), doomed);
    } catch (error) {
      // Another engine was first, or (on Windows) the job's process is still closing its files.
      if (['ENOENT', 'EPERM', 'EBUSY', 'EACCES'].includes(systemCode(error) ?? '')) {
        return;
      }
      throw error;
    }
    await rm(doomed, { recursive: true, force: true });
  }

  async #ids(): Promise<string[]> {
    return (await this.#names()).filter((name) => jobId.safeParse(name).success);
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.#folder);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') {
        return [];
      }
      throw error;
    }
  }
}
