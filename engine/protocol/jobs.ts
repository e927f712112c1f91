import type { WireError } from './errors.ts';

/** What the engine tells of jobs: work in a process of its own, which outlives the engine that began it. */

/** `interrupted`: its process ended without an outcome. It waits for `resumeJob`, or for `cancelJob` to undo it. */
export type JobState = 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted';

export interface JobProgress {
  /** What is being done, for the person waiting. */
  message: string;
  /** Share done, from 0 to 1; absent when it cannot be known. */
  fraction?: number;
  /** Bytes done and bytes in all; absent for work that does not count bytes. */
  doneBytes?: number;
  totalBytes?: number;
  /** How long it still takes at the rate of late, counted from `updated`; absent until that can be told. */
  remainingMs?: number;
  updated: string;
}

/** Times are ISO 8601 in UTC. */
export interface JobInfo {
  id: string;
  /** Operation that the job carries out, such as `diskConvert`. */
  operation: string;
  params: Record<string, unknown>;
  /** Absent for work on plain disk images. */
  machine?: { id: string; name: string };
  /** The engine that began it. */
  startedBy: { face: string; pid: number };
  started: string;
  state: JobState;
  /** Somebody asked for its end. */
  isCancelling: boolean;
  /** Process that carries it out; absent unless running, and until that process has begun. */
  pid?: number;
  progress?: JobProgress;
  ended?: string;
  /** Result of the operation; present when done. */
  result?: Record<string, unknown>;
  /** Present when failed or cancelled. */
  error?: WireError;
  /** What its process printed. */
  logFile: string;
}

/** A job whose records cannot be believed. */
export interface DamagedJob {
  id: string;
  folder: string;
  problem: string;
}

/** Names a job by id, or by a unique beginning of it (4 or more characters). */
export interface OnJob {
  job: string;
}

/** Operations on jobs, in the form of {@link Operations}. */
export interface JobOperations {
  /** Newest first. Jobs that have ended are kept for some days. */
  jobs: { params: Record<string, never>; result: { jobs: JobInfo[]; damaged: DamagedJob[] } };
  /** Waits until the job has ended, with its progress. Fails as the job does. Cancelled itself, it leaves the job be. */
  followJob: { params: OnJob; result: { job: JobInfo } };
  /** Ends a running job, or undoes an interrupted one, and waits until it has undone what it began. */
  cancelJob: { params: OnJob; result: { job: JobInfo } };
  /** Lets an interrupted job go on. */
  resumeJob: { params: OnJob; result: { job: JobInfo } };
}

export const jobOperationNames = [
  'jobs',
  'followJob',
  'cancelJob',
  'resumeJob',
] as const satisfies readonly (keyof JobOperations)[];
