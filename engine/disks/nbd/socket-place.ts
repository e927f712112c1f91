import { lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import path from 'node:path';
import { CheckpointError, systemCode } from '../../model/checkpoint-error.ts';

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, its final zero included (unix(7)). */
const longestSocketPath = 103;
const windowsPipe = /^\\\\[.?]\\pipe\\[^\\/]+$/;

/**
 * Prepares the place of a server's socket: in a folder that only its owner can enter, which is made when it is missing.
 * The socket of a server that is gone is removed. On Windows, a named pipe's name is only checked.
 * @throws InvalidArgument for a path that cannot be a socket's; PermissionDenied in a folder that others can enter;
 * DiskInUse where a server answers already
 */
export async function prepareSocketPlace(socketPath: string): Promise<void> {
  if (process.platform === 'win32') {
    if (!windowsPipe.test(socketPath)) {
      throw notAPlace(socketPath, 'On Windows it is a pipe: give a name such as \\\\.\\pipe\\my-disk');
    }
    return;
  }
  if (!path.isAbsolute(socketPath) || Buffer.byteLength(socketPath) > longestSocketPath) {
    throw notAPlace(socketPath, `Give an absolute path of at most ${longestSocketPath} bytes`);
  }
  const folder = path.dirname(socketPath);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== userInfo().uid || (found.mode & 0o077) !== 0) {
    throw new CheckpointError(
      'PermissionDenied',
      `The folder ${folder} is not private to you, and whoever can enter it could read and write the disk. ` +
        `Put the socket into a folder with mode 0700.`,
      { path: folder },
    );
  }
  await removeDeadSocket(socketPath);
}

async function removeDeadSocket(socketPath: string): Promise<void> {
  try {
    if (!(await lstat(socketPath)).isSocket()) {
      throw notAPlace(socketPath, 'Another file is there; give another path');
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return;
    }
    throw error;
  }
  if (await isAnswered(socketPath)) {
    throw new CheckpointError('DiskInUse', `A server answers at ${socketPath} already. Give another path.`, {
      path: socketPath,
    });
  }
  await unlink(socketPath);
}

function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(socketPath);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error) => {
      if (systemCode(error) === 'ECONNREFUSED') {
        resolve(false);
      } else {
        reject(error);
      }
    });
  });
}

function notAPlace(socketPath: string, what: string): CheckpointError {
  return new CheckpointError('InvalidArgument', `There can be no socket at ${socketPath}. ${what}.`, {
    path: socketPath,
  });
}
