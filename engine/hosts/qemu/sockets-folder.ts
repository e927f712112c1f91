import { randomBytes } from 'node:crypto';
import { lstat, mkdir, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { CheckpointError } from '../../model/checkpoint-error.ts';

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, its final zero included (unix(7)). */
const longestSocketPath = 103;
const longestSocketName = 'monitor.sock';
const folderName = /^[0-9a-f]{8}$/;

/** The sockets and the serial log of one QEMU process. */
export interface Sockets {
  folder: string;
  /** Control, for whoever holds the machine's lock. */
  monitor: string;
  /** A second control connection for those who only look: QEMU serves one client a socket at a time. */
  status: string;
  serial: string;
  serialLog: string;
  agent: string;
  /** Control channel of the process that is the machine's TPM. */
  tpm: string;
}

export function socketsIn(folder: string): Sockets {
  return {
    folder,
    monitor: path.join(folder, 'monitor.sock'),
    status: path.join(folder, 'status.sock'),
    serial: path.join(folder, 'serial.sock'),
    serialLog: path.join(folder, 'serial.log'),
    agent: path.join(folder, 'agent.sock'),
    tpm: path.join(folder, 'tpm.sock'),
  };
}

/**
 * Makes a private folder for a new process: in the machine's folder, or, where that path is too long for a socket,
 * in the user's run-time folder.
 * @throws PermissionDenied when somebody else has prepared that place
 */
export async function createSocketsFolder(runFolder: string): Promise<Sockets> {
  const name = randomBytes(4).toString('hex');
  const inside = path.join(runFolder, name);
  if (Buffer.byteLength(path.join(inside, longestSocketName)) <= longestSocketPath) {
    await mkdir(inside, { recursive: true, mode: 0o700 });
    return socketsIn(inside);
  }
  const base = outsideFolder();
  await mkdir(base, { recursive: true, mode: 0o700 });
  const found = await lstat(base);
  if (
    !found.isDirectory() ||
    (process.platform !== 'win32' && (found.uid !== userInfo().uid || (found.mode & 0o077) !== 0))
  ) {
    throw new CheckpointError(
      'PermissionDenied',
      `The folder ${base} is not private to you. Remove it, or set XDG_RUNTIME_DIR.`,
      { path: base },
    );
  }
  const outside = path.join(base, name);
  await mkdir(outside, { mode: 0o700 });
  return socketsIn(outside);
}

function outsideFolder(): string {
  return path.join(process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), `vm-checkpoints-${userInfo().uid}`);
}

/** Removes a folder that {@link createSocketsFolder} made. A record that names any other place is not followed. */
export async function removeSocketsFolder(folder: string, runFolder: string): Promise<void> {
  const isOurs = [runFolder, outsideFolder()].includes(path.dirname(folder)) && folderName.test(path.basename(folder));
  if (isOurs) {
    // A console that looks for the machine puts its lock in there meanwhile.
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}
