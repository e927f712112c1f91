import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { systemCode } from '../model/checkpoint-error.ts';

const run = promisify(execFile);

/** Of this process: it stays the same. */
let own: string | undefined;

/**
 * Something that no later process with the same number shares: boot id and start time on Linux (proc(5), `stat` field 22),
 * the start time elsewhere.
 * @returns undefined when there is no such process, or the system does not tell.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  if (pid === process.pid) {
    own ??= await identityOf(pid);
    return own;
  }
  return identityOf(pid);
}

async function identityOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    try {
      // At once: the kernel makes both up in memory, and nothing has to be waited for.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [state] = fields;
      const startTime = fields[19];
      return state === 'Z' || state === 'X' || startTime === undefined ? undefined : `${bootId.trim()}:${startTime}`;
    } catch {
      return undefined;
    }
  }
  if (process.platform === 'win32') {
    return undefined;
  }
  try {
    const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)], { timeout: 5000 });
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * True while the process lives that had this number and identity. Where the system tells identities, a number alone
 * proves nothing: it may be anybody's by now.
 */
export async function isProcessAlive(pid: number, identity: string | undefined): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (systemCode(error) !== 'EPERM') {
      return false;
    }
  }
  const found = await processIdentity(pid);
  if (found === undefined) {
    return process.platform === 'win32';
  }
  return found === identity;
}

/** False when the computer was restarted since a process had this identity; true where the system does not tell. */
export async function isOfThisBoot(identity: string): Promise<boolean> {
  const found = process.platform === 'linux' ? await processIdentity(process.pid) : undefined;
  const [boot] = found?.split(':') ?? [];
  return boot === undefined || identity.startsWith(`${boot}:`);
}
