import { spawn } from 'node:child_process';
import { access, constants, mkdir, open, readFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointError, systemCode } from '../../model/checkpoint-error.ts';
import type { Sockets } from './sockets-folder.ts';

/** Command of swtpm's control channel (swtpm_ioctls(3)), a big-endian number: `CMD_SHUTDOWN`. */
const shutDownCommand = 3;
/** It has nothing to do but to close its files. */
const endLimitMs = 5000;
/** How long after its starter's death an swtpm may still begin to listen. */
const unrecordedLimitMs = 1000;

/**
 * Starts the TPM of a machine: swtpm in the background, which ends by itself once QEMU has gone.
 * @param state absolute path of the folder that it keeps its state in; without any it makes a new TPM
 * @throws TpmNotFound; QemuFailed with its last words
 */
export async function startTpm(sockets: Sockets, state: string, signal?: AbortSignal): Promise<void> {
  await requireSwtpm();
  await mkdir(state, { recursive: true, mode: 0o700 });
  const log = await open(tpmLog(sockets.folder), 'a', 0o600);
  try {
    // Its options know no way to write a comma, so no path is given by one: it runs beside its socket, and the folder of its
    // state is in its environment (swtpm(8), `--tpmstate`).
    const options = [
      ['socket', '--tpm2', '--daemon', '--terminate'],
      ['--ctrl', `type=unixio,path=${path.basename(sockets.tpm)},mode=0600`],
      ['--log', `file=${path.basename(tpmLog(sockets.folder))}`],
    ].flat();
    const child = spawn('swtpm', options, {
      cwd: sockets.folder,
      env: { ...process.env, TPM_PATH: state },
      stdio: ['ignore', log.fd, log.fd],
      ...(signal === undefined ? {} : { signal }),
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', resolve);
    });
    if (status !== 0) {
      const words = (await readFile(tpmLog(sockets.folder), 'utf8').catch(() => '')).trim().slice(-1000);
      throw new CheckpointError('QemuFailed', `The machine's TPM could not be started: swtpm says: ${words}`, {
        output: words,
      });
    }
  } finally {
    await log.close();
  }
}

/** @throws TpmNotFound */
export async function requireSwtpm(environment: NodeJS.ProcessEnv = process.env): Promise<void> {
  for (const folder of (environment['PATH'] ?? '').split(path.delimiter).filter((one) => one !== '')) {
    const isThere = await access(path.join(folder, 'swtpm'), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) {
      return;
    }
  }
  throw new CheckpointError(
    'TpmNotFound',
    `A TPM is run by the program swtpm, which is not on the PATH. ${howToInstallSwtpm()}`,
    { program: 'swtpm' },
  );
}

/**
 * Sees that the TPM of a process that has ended is no more: one that QEMU never connected to waits for it for ever.
 * @param isRecorded false when its starter may have died before it listened
 */
export async function endTpm(sockets: Sockets, isRecorded: boolean): Promise<void> {
  const end = performance.now() + (isRecorded ? 0 : unrecordedLimitMs);
  for (;;) {
    if (await shutDown(sockets.tpm)) {
      return;
    }
    if (performance.now() > end) {
      return;
    }
    await delay(20);
  }
}

/** @returns false when none listens there */
function shutDown(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = net.createConnection(socket);
    connection.setTimeout(endLimitMs, () => connection.destroy());
    connection.once('connect', () => {
      const command = Buffer.alloc(4);
      command.writeUInt32BE(shutDownCommand);
      connection.write(command);
      // Its answer is of no interest: it has ended when the connection has.
      connection.resume();
    });
    connection.once('error', (error) => resolve(!['ENOENT', 'ECONNREFUSED'].includes(systemCode(error) ?? '')));
    connection.once('close', () => resolve(true));
  });
}

function tpmLog(socketsFolder: string): string {
  return path.join(socketsFolder, 'tpm.log');
}

/** One command for this operating system. */
export function howToInstallSwtpm(platform: NodeJS.Platform = process.platform): string {
  return platform === 'darwin'
    ? 'Install it with: brew install swtpm'
    : 'Install it with: apt install swtpm (Debian, Ubuntu) or dnf install swtpm (Fedora).';
}
