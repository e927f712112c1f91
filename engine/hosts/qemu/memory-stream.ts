import { createWriteStream } from 'node:fs';
import { open, rm, statfs } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { syncFolder } from '../../store/atomic-file.ts';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { QmpConnection } from './qmp.ts';
import { runState } from './qemu-process.ts';

/** Device state beside the memory itself, generously. */
const deviceStateBytes = 64 * 1024 * 1024;
/** Bytes a second; the default of migrate-set-parameters would throttle to 128 MiB/s. */
const unlimitedBandwidth = 2 ** 40;
/** A stream that has not moved for this long never will. */
const stallLimitMs = 60_000;

const migrateAnswer = z.object({ status: z.string().optional(), 'error-desc': z.string().optional() });

/**
 * Saves the memory of a stopped guest into a file, through a private socket and the QMP command `migrate`.
 * The guest stays stopped, whether this succeeds or fails.
 * @returns size of the file in bytes
 * @throws NotEnoughSpace, QemuFailed; no file is left then
 */
export async function saveMemory(
  monitor: QmpConnection,
  file: string,
  memoryBytes: number,
  socketsFolder: string,
  signal?: AbortSignal,
): Promise<number> {
  await requireSpace(path.dirname(file), memoryBytes + deviceStateBytes);
  const socketPath = path.join(socketsFolder, 'memory.sock');
  const sink = new MemorySink(file);
  try {
    await sink.listen(socketPath);
    await monitor.execute('migrate-set-parameters', { 'max-bandwidth': unlimitedBandwidth });
    await monitor.execute('migrate', { uri: `unix:${socketPath}` });
    await untilCompleted(monitor, sink, signal);
    const bytes = await sink.finished();
    await syncFolder(path.dirname(file));
    await untilQuiet(monitor);
    return bytes;
  } catch (error) {
    sink.close();
    // Fails only when QEMU is gone, and then the first error says so.
    await cancelMigration(monitor).catch(() => undefined);
    await rm(file, { force: true });
    throw error;
  } finally {
    sink.close();
    await rm(socketPath, { force: true });
  }
}

/** Ends a migration that is under way, and waits until QEMU says that it is over. */
export async function cancelMigration(monitor: QmpConnection): Promise<void> {
  await monitor.execute('migrate_cancel');
  for (;;) {
    const { status } = await monitor.query('query-migrate', migrateAnswer);
    if (status === undefined || ['none', 'completed', 'failed', 'cancelled'].includes(status)) {
      break;
    }
    await delay(20);
  }
  await untilQuiet(monitor);
}

/** After the stream's end QEMU passes through `finish-migrate`, in which it refuses to run the guest. */
async function untilQuiet(monitor: QmpConnection): Promise<void> {
  while ((await runState(monitor)) === 'finish-migrate') {
    await delay(10);
  }
}

async function untilCompleted(
  monitor: QmpConnection,
  sink: MemorySink,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    sink.throwIfFailed();
    const answer = await monitor.query('query-migrate', migrateAnswer);
    switch (answer.status) {
      case 'completed':
        return;
      case 'failed':
      case 'cancelled':
        sink.throwIfFailed();
        throw new CheckpointError(
          'QemuFailed',
          `QEMU could not save the memory: ${answer['error-desc'] ?? answer.status}.`,
          { status: answer.status },
        );
      default:
        await delay(15);
    }
  }
}

async function requireSpace(folder: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes < neededBytes) {
    const mebibytes = (bytes: number): number => Math.ceil(bytes / 1024 / 1024);
    throw new CheckpointError(
      'NotEnoughSpace',
      `The memory may need ${mebibytes(neededBytes)} MiB, and ${mebibytes(freeBytes)} MiB are free. ` +
        `Free ${mebibytes(neededBytes - freeBytes)} MiB, or leave memory out.`,
      { path: folder, neededBytes, freeBytes, shortBytes: neededBytes - freeBytes },
    );
  }
}

/** Receives the stream of one connection into a file. */
class MemorySink {
  readonly #file: string;
  readonly #server = net.createServer({ pauseOnConnect: true });
  #received: Promise<void> | undefined;
  #failure: Error | undefined;
  #socket: net.Socket | undefined;

  constructor(file: string) {
    this.#file = file;
    this.#server.once('connection', (socket) => {
      this.#server.close();
      this.#socket = socket;
      socket.setTimeout(stallLimitMs, () => socket.destroy(new Error('The stream stood still.')));
      this.#received = pipeline(socket, createWriteStream(file, { flags: 'wx', mode: 0o600 }));
      this.#received.catch((error: unknown) => {
        this.#failure = error instanceof Error ? error : new Error(String(error));
      });
    });
  }

  listen(socketPath: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socketPath, resolve);
    });
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
  }

  /** Waits for the stream's end and makes the file durable. */
  async finished(): Promise<number> {
    await this.#received;
    const handle = await open(this.#file, 'r+');
    try {
      await handle.sync();
      return (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  }

  close(): void {
    this.#server.close();
    this.#socket?.destroy();
  }
}
