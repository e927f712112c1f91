import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { CheckpointError, toWireError } from '../model/checkpoint-error.ts';
import { FolderWatch } from '../store/folder-watch.ts';
import type { JobFolder } from '../store/job-folder.ts';
import { withLock } from '../store/machine-lock.ts';

/** Far longer than a process takes to load the engine on a busy computer. */
const beginLimitMs = 60_000;

const beginPollMs = 250;

/** They have time: whatever else the computer does comes first. */
const patientJobs: readonly string[] = ['packMemory'];

/** The program that carries jobs out: called with `args`, then `job`, the job's id, `--home` and the home. */
export interface JobProgram {
  command: string;
  args: string[];
}

/** The engine that is running, once more. */
export function ownProgram(): JobProgram {
  const [, script] = process.argv;
  // A debugger's port can be listened on once only.
  const options = process.execArgv.filter((option) => !option.startsWith('--inspect'));
  return { command: process.execPath, args: [...options, ...(script === undefined ? [] : [script])] };
}

/** VS Code's own program is Node only when told so. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  return process.versions['electron'] === undefined ? process.env : { ...process.env, ELECTRON_RUN_AS_NODE: '1' };
}

/**
 * Starts the process of a job for which this process answers, and waits until that process has taken it over. It is
 * detached: neither this process' end, nor that of its terminal or window, nor Ctrl+C there reaches it.
 * @throws Internal when the process does not begin; the job has failed then
 */
export async function beginJob(folder: JobFolder, program: JobProgram, home: string): Promise<void> {
  try {
    await begin(folder, program, home);
  } catch (error) {
    if (await isTakenOver(folder, error)) {
      return;
    }
    throw error;
  }
}

/** Records that the job could not begin; unless a process that was started for it earlier has taken it over after all. */
async function isTakenOver(folder: JobFolder, failure: unknown): Promise<boolean> {
  try {
    return await withLock(folder.lock, `Job ${folder.id}`, { operation: 'start', face: 'a job' }, async () => {
      const isOver = (await folder.readOutcome()) !== undefined;
      if (!isOver) {
        await folder.writeOutcome({ state: 'failed', ended: new Date().toISOString(), error: toWireError(failure) });
      }
      return isOver;
    });
  } catch (error) {
    if (error instanceof CheckpointError && error.code === 'Locked') {
      return true;
    }
    throw error;
  }
}

async function begin(folder: JobFolder, program: JobProgram, home: string): Promise<void> {
  const watch = new FolderWatch(folder.path);
  try {
    const child = await spawnDetached(folder, program, home);
    const end = performance.now() + beginLimitMs;
    for (;;) {
      // Asked first: what the process recorded before its end is then seen below.
      const hasEnded = child.exitCode !== null || child.signalCode !== null;
      if ((await folder.readProcess())?.role === 'runner' || (await folder.readOutcome()) !== undefined) {
        return;
      }
      if (hasEnded || performance.now() > end) {
        if (!hasEnded) {
          const exit = once(child, 'exit');
          child.kill('SIGKILL');
          await exit;
        }
        throw new CheckpointError(
          'Internal',
          `The process of job ${folder.id} ${hasEnded ? 'ended before it had begun' : 'did not begin in time'}. What it printed is in ${folder.logFile}.`,
          { job: folder.id, path: folder.logFile },
        );
      }
      await watch.change(beginPollMs);
    }
  } finally {
    watch.close();
  }
}

async function spawnDetached(folder: JobFolder, program: JobProgram, home: string): Promise<ChildProcess> {
  const log = await open(folder.logFile, 'a', 0o600);
  try {
    const child = spawn(program.command, [...program.args, 'job', folder.id, '--home', home], {
      cwd: folder.path,
      detached: true,
      env: ownEnvironment(),
      stdio: ['ignore', log.fd, log.fd],
      windowsHide: true,
    });
    child.unref();
    await once(child, 'spawn');
    await lowerPriority(folder, child);
    return child;
  } finally {
    await log.close();
  }
}

/** At once: the threads that a process begins later get the priority that it has then. */
async function lowerPriority(folder: JobFolder, { pid }: ChildProcess): Promise<void> {
  try {
    if (pid !== undefined && patientJobs.includes((await folder.readJob()).operation)) {
      setPriority(pid, constants.priority.PRIORITY_LOW);
    }
  } catch {
    // It has ended, or the system does not want that: it works all the same.
  }
}

/**
 * Lets an interrupted job go on, or undoes it.
 * @throws NothingToResume unless it is interrupted
 */
export async function reviveJob(
  folder: JobFolder,
  purpose: 'resume' | 'undo',
  face: string,
  program: JobProgram,
  home: string,
): Promise<void> {
  try {
    await withLock(folder.lock, `Job ${folder.id}`, { operation: purpose, face }, async () => {
      const [{ state }, answering] = [await folder.info(), await folder.readProcess()];
      // A runner would hold the lock: this one is dead, even where its number alone does not tell.
      const isInterrupted = state === 'interrupted' || (state === 'running' && answering?.role === 'runner');
      if (!isInterrupted) {
        throw nothingToResume(folder, state);
      }
      await (purpose === 'undo' ? folder.askToCancel(face) : folder.forgetCancel());
      await folder.claim('starter');
    });
  } catch (error) {
    throw error instanceof CheckpointError && error.code === 'Locked' ? nothingToResume(folder, 'running') : error;
  }
  await beginJob(folder, program, home);
}

function nothingToResume(folder: JobFolder, state: string): CheckpointError {
  return new CheckpointError(
    'NothingToResume',
    `Job ${folder.id} is ${state}. Only an interrupted job can be resumed. Nothing was changed.`,
    { job: folder.id, state },
  );
}
