import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { constants, setPriority } from 'node:os';

/** `engine stand-in MACHINE… --home FOLDER` */
export const standInVerb = 'stand-in';

/** A process that waits for the death of the one that began it, and then does in its place what cannot wait. */
export interface StandIn {
  /** It is not needed any more. */
  dismiss(): void;
}

/**
 * Begins one. It is detached, so that what ends this process does not end it.
 * @param onError gets told when it cannot be started: what it is for is then left to whoever comes next
 */
export function beginStandIn(
  program: { command: string; args: readonly string[]; env: NodeJS.ProcessEnv },
  machines: readonly string[],
  home: string,
  onError: (error: Error) => void,
): StandIn {
  // What a debugger, or somebody else, has this process load first is not for it.
  const { NODE_OPTIONS: _, ...env } = program.env;
  const child = spawn(program.command, [...program.args, standInVerb, ...machines, '--home', home], {
    detached: true,
    env,
    stdio: ['pipe', 'ignore', 'ignore'],
    windowsHide: true,
  });
  child.once('error', onError);
  child.stdin.on('error', () => undefined);
  child.unref();
  if (child.stdin instanceof Socket) {
    child.stdin.unref();
  }
  beModest(child.pid);
  return { dismiss: () => void child.stdin.end('dismissed') };
}

/** It begins just when a guest is about to stand still for as short as can be. */
function beModest(pid: number | undefined): void {
  try {
    if (pid !== undefined) {
      setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
    }
  } catch {
    // It has ended, or the system does not want that.
  }
}

/** In the stand-in itself: acts when whoever began it has died, and so could not dismiss it. */
export function whenForsaken(act: () => void): void {
  const { stdin } = process;
  let isDismissed = false;
  stdin.on('data', () => (isDismissed = true));
  stdin.on('error', () => undefined);
  stdin.once('close', () => {
    if (!isDismissed) {
      act();
    }
  });
}
