import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { exitOnSignals } from './signals.ts';
import { until } from './until.ts';

/** What to start, as an argument array; nothing passes through a shell. */
export interface Command {
  readonly executable: string;
  readonly arguments: readonly string[];
  readonly folder?: string;
  readonly environment: Readonly<Record<string, string>>;
  /** `pipe` keeps a pipe open to the process, for one that watches for our end; the default is no input. */
  readonly input?: 'pipe' | 'ignore';
}

/** How a process ended: with a code, or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process with everything that it started and that did not leave for a session of its own. */
export interface ProcessGroup {
  readonly pid: number;
  readonly child: ChildProcess;
  /** The end of the first process; its descendants may live on until {@link end}. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Asks the first process to end, waits `graceMilliseconds` for that, then kills what is left of the group. */
  end(graceMilliseconds?: number): Promise<void>;
}

/** How long the others may take to notice that the first process has ended. */
const descendantGraceMilliseconds = 1000;

const live = new Set<number>();

/**
 * Starts a process as the leader of a group of its own. The group is killed when our process exits, by a signal too.
 * POSIX only.
 * @throws when the executable cannot be started
 */
export async function spawnGroup(command: Command): Promise<ProcessGroup> {
  const child = spawn(command.executable, command.arguments, {
    ...(command.folder === undefined ? {} : { cwd: command.folder }),
    env: command.environment,
    stdio: [command.input ?? 'ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve({ code, signal });
    });
  });
  if (child.pid === undefined) await once(child, 'spawn'); // rejects with the reason
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command.executable} did not start`);
  killLiveGroupsOnExit();
  live.add(pid);
  return {
    pid,
    child,
    exited,
    async end(graceMilliseconds = 3000) {
      if (!live.has(pid)) return;
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await Promise.race([exited, delay(graceMilliseconds, undefined, { ref: false })]);
      if (!(await isGone(pid, Math.min(graceMilliseconds, descendantGraceMilliseconds)))) {
        signalGroup(pid, 'SIGKILL');
        await exited;
        await isGone(pid, 500); // a killed process that nobody has reaped yet still counts as present
      }
      live.delete(pid);
    },
  };
}

async function isGone(pid: number, timeoutMilliseconds: number): Promise<boolean> {
  try {
    await until('the process group to end', () => !signalGroup(pid, 0), { timeoutMilliseconds });
    return true;
  } catch {
    return false;
  }
}

/** @returns false when the group has no process left */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

let isHooked = false;

function killLiveGroupsOnExit(): void {
  exitOnSignals();
  if (isHooked) return;
  isHooked = true;
  process.prependListener('exit', () => {
    for (const pid of live) signalGroup(pid, 'SIGKILL');
  });
}
