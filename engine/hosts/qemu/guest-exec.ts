import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { GuestCommand, GuestCommandEnd } from '../host.ts';
import { GuestAgent } from './guest-agent.ts';
import { started, status, type Status } from './guest-exec-answers.ts';
import { isWindows } from './file-system-freeze.ts';

const connectLimitMs = 3000;
const answerLimitMs = 10_000;
const firstIntervalMs = 50;
const longestIntervalMs = 1000;
/** How long a program that was asked to end may take. */
const endLimitMs = 5000;
/** How long the agent may be silent, or refuse, while a program runs: it does so while the file systems are frozen. */
const silenceLimitMs = 30_000;

/**
 * Runs a program in the guest and waits for its end (`guest-exec`, `guest-exec-status`). The agent serves one client at a
 * time, so it is let go between looks: a checkpoint may be taken meanwhile.
 * @throws GuestNotResponding, also when the limit is over; whatever aborted the signal. The program is ended then
 */
export async function execInGuest(socketPath: string, command: GuestCommand): Promise<GuestCommandEnd> {
  const { signal, limitMs } = command;
  signal?.throwIfAborted();
  const [path = '', ...arg] = command.command;
  const { pid } = started.parse(
    await ask(socketPath, 'guest-exec', { path, arg, 'capture-output': true }, (error) =>
      error.data['command'] === undefined
        ? error
        : new CheckpointError(
            'GuestNotResponding',
            `“${path}” was not started in the guest: ${String(error.data['output'])}.`,
            {
              command: path,
            },
          ),
    ),
  );
  const until = limitMs === undefined ? Infinity : performance.now() + limitMs;
  for (let interval = firstIntervalMs; ; interval = Math.min(longestIntervalMs, interval * 1.5)) {
    const seen = await lookAgain(socketPath, pid);
    if (seen.exited) {
      return endOf(seen);
    }
    if (signal?.aborted === true || performance.now() > until) {
      await endProgram(socketPath, pid);
      signal?.throwIfAborted();
      throw new CheckpointError(
        'GuestNotResponding',
        `“${path}” did not end within ${(limitMs ?? 0) / 1000} s, and was ended in the guest.`,
        { command: path },
      );
    }
    await delay(Math.min(interval, Math.max(0, until - performance.now())), undefined, signal && { signal }).catch(
      () => undefined,
    );
  }
}

async function lookAgain(socketPath: string, pid: number): Promise<Status> {
  for (const end = performance.now() + silenceLimitMs; ;) {
    try {
      return await look(socketPath, pid);
    } catch (error) {
      const isGone = error instanceof CheckpointError && String(error.data['output']).includes('does not exist');
      if (isGone || performance.now() > end) {
        throw error;
      }
      await delay(longestIntervalMs);
    }
  }
}

async function look(socketPath: string, pid: number): Promise<Status> {
  return status.parse(await ask(socketPath, 'guest-exec-status', { pid }));
}

/** Asks it to end, then makes it. A guest that does not let itself be asked keeps its program: nothing more can be done. */
async function endProgram(socketPath: string, pid: number): Promise<void> {
  const until = performance.now() + endLimitMs;
  try {
    const isOnWindows = await withAgent(socketPath, isWindows);
    await runKiller(
      socketPath,
      isOnWindows ? ['taskkill.exe', '/t', '/pid', String(pid)] : ['kill', '-TERM', String(pid)],
    );
    while (performance.now() < until) {
      if ((await look(socketPath, pid)).exited) {
        return;
      }
      await delay(100);
    }
    await runKiller(
      socketPath,
      isOnWindows ? ['taskkill.exe', '/f', '/t', '/pid', String(pid)] : ['kill', '-KILL', String(pid)],
    );
  } catch {
    // Why it was to be ended is what is told.
  }
}

async function runKiller(socketPath: string, [path = '', ...arg]: string[]): Promise<void> {
  await ask(socketPath, 'guest-exec', { path, arg });
}

function endOf(seen: Status): GuestCommandEnd {
  return {
    ...(seen.exitcode === undefined ? {} : { exitCode: seen.exitcode }),
    ...(seen.signal === undefined ? {} : { signal: `signal ${seen.signal}` }),
    output: Buffer.from(seen['out-data'] ?? '', 'base64'),
    errorOutput: Buffer.from(seen['err-data'] ?? '', 'base64'),
    isCutShort: seen['out-truncated'] === true || seen['err-truncated'] === true,
  };
}

async function ask(
  socketPath: string,
  command: string,
  args: Record<string, unknown>,
  explain: (error: CheckpointError) => CheckpointError = (error) => error,
): Promise<unknown> {
  return withAgent(socketPath, (agent) => agent.execute(command, args, answerLimitMs)).catch((error: unknown) => {
    throw error instanceof CheckpointError ? explain(error) : error;
  });
}

async function withAgent<T>(socketPath: string, use: (agent: GuestAgent) => Promise<T>): Promise<T> {
  const agent = await GuestAgent.connect(socketPath, connectLimitMs);
  try {
    return await use(agent);
  } finally {
    agent.close();
  }
}
