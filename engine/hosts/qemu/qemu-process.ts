import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { HypervisorIdentity } from '../../model/saved-memory.ts';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { MachineFolder } from '../../store/machine-folder.ts';
import type { ProcessRole } from '../../store/process-records.ts';
import { isProcessAlive, processIdentity } from '../../store/process-identity.ts';
import type { ProcessRecord } from '../../store/records.ts';
import { noteExit, openEvents } from './ending.ts';
import { fileChannel } from './memory-target.ts';
import { opensMemoryFiles } from './qemu-version.ts';
import { QmpConnection } from './qmp.ts';
import { removeSocketsFolder, socketsIn, type Sockets } from './sockets-folder.ts';
import { endTpm, startTpm } from './tpm-process.ts';

/** How long QEMU may take until it answers; it needs well under a second. */
const startLimitMs = 30_000;
/** How long it may take to end after it was told to; it flushes its disks. */
const quitLimitMs = 10_000;

/** How long after its starter's death a QEMU may still begin to listen. */
const unrecordedLimitMs = 1000;

const statusAnswer = z.object({ status: z.string(), running: z.boolean() });

/** QEMU's run state (`RunState` of its run-state schema). */
export async function runState(monitor: QmpConnection, limitMs?: number): Promise<string> {
  return (await monitor.query('query-status', statusAnswer, {}, limitMs)).status;
}

export interface Launch {
  emulator: string;
  args: string[];
  sockets: Sockets;
  hypervisor: HypervisorIdentity;
  /** Saved memory that it is to load. */
  memory?: IncomingMemory;
  /** Absolute path of the folder with the state of the machine's TPM. */
  tpmState?: string;
  signal?: AbortSignal;
}

/** A file by its absolute path; or somebody who writes to a stream, and gets that once QEMU has the other end. */
export type MemorySource = { file: string } | { writeTo: (stream: Writable) => void };

/** With QEMU's `-incoming`: {@link passedMemory}, or `defer` for one that is told the file's name once it answers. */
export type IncomingMemory = MemorySource & { way: typeof passedMemory | 'defer' };

/** The first descriptor after standard input, output and error. */
const passedMemory = 'fd:3';

/** How a QEMU loads saved memory. */
export function incomingMemory(source: MemorySource, version: string): IncomingMemory {
  return { ...source, way: 'file' in source && opensMemoryFiles(version) ? 'defer' : passedMemory };
}

/**
 * Starts QEMU detached, with its TPM, records it, and waits until it answers and, where memory is restored, until that is loaded. The
 * guest stands still.
 * @throws QemuFailed with QEMU's last words, DiskInUse, TpmNotFound; nothing is left running then
 */
export async function launch(folder: MachineFolder, role: ProcessRole, wanted: Launch): Promise<void> {
  const { sockets, hypervisor } = wanted;
  const started = new Date().toISOString();
  await folder.processes.write(role, { socketsFolder: sockets.folder, started, hypervisor });
  try {
    if (wanted.tpmState !== undefined) {
      await startTpm(sockets, wanted.tpmState, wanted.signal);
    }
    const pid = await spawnDetached(wanted);
    const identity = await processIdentity(pid);
    await folder.processes.write(role, {
      pid,
      ...(identity === undefined ? {} : { identity }),
      socketsFolder: sockets.folder,
      started,
      hypervisor,
    });
    await untilReady(pid, identity, wanted);
  } catch (error) {
    await endProcess(folder, role);
    throw error;
  }
}

async function spawnDetached(wanted: Launch): Promise<number> {
  const log = await open(hypervisorLog(wanted.sockets.folder), 'a', 0o600);
  const { memory } = wanted;
  const memoryFile =
    memory !== undefined && 'file' in memory && memory.way === passedMemory ? await open(memory.file, 'r') : undefined;
  const passed = memory?.way === passedMemory ? [memoryFile?.fd ?? ('pipe' as const)] : [];
  const events = await openEvents(wanted.sockets.folder);
  try {
    const child = spawn(wanted.emulator, wanted.args, {
      detached: true,
      cwd: wanted.sockets.folder,
      stdio: [events.input, events.output, log.fd, ...passed],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(
          new CheckpointError(
            'QemuFailed',
            `QEMU could not be started: ${error.message}.`,
            { path: wanted.emulator },
            { cause: error },
          ),
        ),
      );
    });
    const [, , , stream] = child.stdio;
    if (memory !== undefined && 'writeTo' in memory && stream instanceof Writable) {
      memory.writeTo(stream);
    }
    child.once('exit', (code, signal) => noteExit(wanted.sockets.folder, code, signal));
    child.unref();
    if (child.pid === undefined) {
      throw new CheckpointError('QemuFailed', 'QEMU could not be started.', { path: wanted.emulator });
    }
    return child.pid;
  } finally {
    await log.close();
    await memoryFile?.close();
    await events.close();
  }
}

async function untilReady(pid: number, identity: string | undefined, wanted: Launch): Promise<void> {
  const end = performance.now() + startLimitMs;
  let monitor: QmpConnection | undefined;
  while (monitor === undefined) {
    wanted.signal?.throwIfAborted();
    if (!(await isProcessAlive(pid, identity))) {
      throw await endedEarly(wanted.sockets.folder);
    }
    if (performance.now() > end) {
      throw new CheckpointError(
        'QmpTimeout',
        `QEMU did not answer within ${startLimitMs / 1000} s of being started.`,
        {},
      );
    }
    monitor = await QmpConnection.connect(wanted.sockets.monitor).catch(() => undefined);
    if (monitor === undefined) {
      await delay(10);
    }
  }
  try {
    if (wanted.memory?.way === 'defer' && 'file' in wanted.memory) {
      await monitor.execute('migrate-incoming', fileChannel(wanted.memory.file));
    }
    while (wanted.memory !== undefined && (await runState(monitor)) === 'inmigrate') {
      wanted.signal?.throwIfAborted();
      await delay(10);
    }
  } catch (error) {
    if (!(await isProcessAlive(pid, identity))) {
      throw await endedEarly(wanted.sockets.folder);
    }
    throw error;
  } finally {
    monitor.close();
  }
}

async function endedEarly(socketsFolder: string): Promise<CheckpointError> {
  const words = (await lastWords(socketsFolder)) ?? 'it gave no reason';
  if (/Failed to get .*lock|Is another process using the image/.test(words)) {
    return new CheckpointError(
      'DiskInUse',
      `A disk of the machine is in use by another program: ${words} Close that program and try again.`,
      { output: words },
    );
  }
  return new CheckpointError('QemuFailed', `QEMU ended at once: ${words}`, { output: words });
}

/** What QEMU wrote, without its warnings; undefined when that is nothing. */
export async function lastWords(socketsFolder: string): Promise<string | undefined> {
  const log = await readFile(hypervisorLog(socketsFolder), 'utf8').catch(() => '');
  const words = log
    .split('\n')
    .map((line) => line.replace(/^\S*qemu-system-\w+: /, '').trim())
    .filter((line) => line !== '' && !line.startsWith('warning:') && !/terminating on signal/.test(line));
  return words.length === 0 ? undefined : words.slice(-3).join(' ').slice(-1000);
}

export function hypervisorLog(socketsFolder: string): string {
  return path.join(socketsFolder, 'hypervisor.log');
}

/** The recorded process, if it lives. */
export async function livingProcess(
  folder: MachineFolder,
  role: ProcessRole,
): Promise<(ProcessRecord & { pid: number }) | undefined> {
  const record = await folder.processes.read(role);
  return record === undefined ? undefined : ifLiving(record);
}

export async function ifLiving(record: ProcessRecord): Promise<(ProcessRecord & { pid: number }) | undefined> {
  if (record.pid === undefined || !(await isProcessAlive(record.pid, record.identity))) {
    return undefined;
  }
  return { ...record, pid: record.pid };
}

/** Ends the recorded process, politely and then not, and removes what it leaves. Does nothing when there is none. */
export async function endProcess(folder: MachineFolder, role: ProcessRole): Promise<void> {
  const record = await folder.processes.read(role);
  if (record === undefined) {
    return;
  }
  const living = await livingProcess(folder, role);
  if (living !== undefined) {
    await quit(living);
  }
  await Promise.all([
    endTpm(socketsIn(record.socketsFolder), record.pid !== undefined),
    ...(record.pid === undefined ? [quitUnrecorded(record.socketsFolder)] : []),
  ]);
  await folder.processes.clear(role);
  await removeSocketsFolder(record.socketsFolder, folder.runFolder);
}

/**
 * Ends a QEMU whose starter died before it could write down the process: its guest never ran. It may not listen yet.
 */
async function quitUnrecorded(socketsFolder: string): Promise<void> {
  const end = performance.now() + unrecordedLimitMs;
  while (performance.now() < end) {
    const monitor = await QmpConnection.connect(socketsIn(socketsFolder).monitor, 2000).catch(() => undefined);
    if (monitor !== undefined) {
      // It ends while it answers: an error is as good as an answer.
      await monitor.execute('quit', {}, 2000).catch(() => undefined);
      await monitor.closed();
      return;
    }
    await delay(20);
  }
}

async function quit(living: ProcessRecord & { pid: number }): Promise<void> {
  try {
    const monitor = await QmpConnection.connect(socketsIn(living.socketsFolder).monitor, 2000);
    try {
      await monitor.execute('quit', {}, 2000);
    } finally {
      monitor.close();
    }
    await untilEnded(living, quitLimitMs);
  } catch {
    // A QEMU that does not listen is ended from outside.
    if (await isProcessAlive(living.pid, living.identity)) {
      process.kill(living.pid, 'SIGKILL');
      await untilEnded(living, quitLimitMs);
    }
  }
}

/** @throws QmpTimeout when it still lives after the limit */
export async function untilEnded(
  living: { pid: number; identity?: string },
  limitMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (await isProcessAlive(living.pid, living.identity)) {
    signal?.throwIfAborted();
    if (performance.now() > end) {
      throw new CheckpointError(
        'QmpTimeout',
        `QEMU (process ${living.pid}) did not end within ${Math.round(limitMs / 1000)} s.`,
        { pid: living.pid },
      );
    }
    await delay(15);
  }
}
