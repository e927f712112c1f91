import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { systemCode } from '../model/checkpoint-error.ts';
import type { CommandEnd } from '../protocol/guard-info.ts';

/** Exit codes of a guard that are not its command's own; env(1), timeout(1) and `docker run` have the same. */
export const guardExitCode = { guardFailed: 125, notExecutable: 126, notFound: 127 } as const;

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** The command could not be started. */
export class CommandNotStarted extends Error {
  override readonly name = 'CommandNotStarted';
  readonly exitCode: number;

  constructor(command: string, cause: unknown) {
    const isMissing = systemCode(cause) === 'ENOENT';
    super(`“${command}” could not be run: ${isMissing ? 'there is no such program' : String(cause)}.`, { cause });
    this.exitCode = isMissing ? guardExitCode.notFound : guardExitCode.notExecutable;
  }
}

/**
 * Runs a command with this process's input and outputs, a terminal included; signals that this process gets go to it.
 * @param outputs `error`: what it prints on standard output goes to standard error, for a guard that prints JSON itself
 * @throws CommandNotStarted
 */
export function runHere([program = '', ...args]: readonly string[], outputs: 'own' | 'error'): Promise<CommandEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['inherit', outputs === 'own' ? 'inherit' : 2, 'inherit'] });
    const forward = (signal: NodeJS.Signals): void => {
      // A terminal sends Ctrl+C to all of its processes by itself.
      if (!(signal === 'SIGINT' && process.stdin.isTTY)) {
        child.kill(signal);
      }
    };
    const stop = (): void => forwarded.forEach((signal) => process.removeListener(signal, forward));
    forwarded.forEach((signal) => process.on(signal, forward));
    child.once('error', (error) => {
      stop();
      reject(new CommandNotStarted(program, error));
    });
    child.once('exit', (exitCode, signal) => {
      stop();
      resolve({ ...(exitCode === null ? {} : { exitCode }), ...(signal === null ? {} : { signal }) });
    });
  });
}

/** As a shell says it: 128 and the number of the signal that ended it. */
export function shellExitCode({ exitCode, signal }: CommandEnd): number {
  if (exitCode !== undefined) {
    return exitCode;
  }
  const number = Object.entries(constants.signals).find(([name]) => name === signal)?.[1];
  return 128 + (number ?? Number(/\d+$/.exec(signal ?? '')?.[0] ?? 0));
}

export function isSuccess({ exitCode }: CommandEnd): boolean {
  return exitCode === 0;
}
