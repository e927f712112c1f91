import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rm, statfs, type FileHandle } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { linuxCall } from '../../disks/libc.ts';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { syncFolder } from '../../store/atomic-file.ts';
import { GrowingHash } from './growing-hash.ts';
import { opensMemoryFiles, versionOf } from './qemu-version.ts';
import type { QmpConnection } from './qmp.ts';

/** Device state beside the memory itself, generously. */
const deviceStateBytes = 64 * 1024 * 1024;
/** A page of 4 KiB has a header of 8 bytes at least, and the first of each block its name (QEMU migration/ram.c). */
const bytesPerByte = 1.01;
/** A stream that has not moved for this long never will. */
const stallLimitMs = 60_000;
const pieceBytes = 1024 * 1024;

/** Where QEMU writes memory to. */
export interface MemoryTarget {
  /** Arguments of QMP `migrate`. */
  readonly destination: MigrationPlace;
  /** True when no write waits for this process, and one that fails does no harm, or cannot fail for want of space. */
  readonly takesBackgroundSnapshots: boolean;
  throwIfFailed(): void;
  /** Why QEMU could not write to it, as far as that can be told from here. */
  whyFailed(): Promise<CheckpointError | undefined>;
  /** After QEMU's last write: makes the file whole and durable. */
  finish(): Promise<{ sizeBytes: number; sha256: string }>;
  /** Removes the file. Safe to repeat, and after a failed `finish`. */
  discard(): Promise<void>;
}

/** Where a migration goes to, or comes from: `uri` or `channels` of QMP `migrate` and `migrate-incoming`. */
export type MigrationPlace = { uri: string } | { channels: readonly Record<string, unknown>[] };

/** A file that QEMU opens itself, whatever its name looks like (`MigrationChannel` of QEMU's migration schema). */
export function fileChannel(file: string): MigrationPlace {
  return { channels: [{ 'channel-type': 'main', addr: { transport: 'file', filename: file, offset: 0 } }] };
}

/** fallocate(2) of Linux, with `FALLOC_FL_KEEP_SIZE`. */
const reserve = linuxCall<[fd: number, mode: number, offset: number, length: number]>(
  'int fallocate(int fd, int mode, int64_t offset, int64_t length)',
);
const keepSize = 1;

/**
 * Makes the file for the memory of a guest. QEMU writes to the file itself where it opens files, or descriptors can be passed, so
 * that nothing that happens to this process matters to it. Elsewhere it sends what it saves to this process. Space is reserved
 * for a QEMU that takes no failing write well; one that opens the file would give it back.
 * @param memoryBytes size of the guest's memory
 * @throws NotEnoughSpace; no file is left then
 */
export async function openMemoryTarget(
  monitor: QmpConnection,
  file: string,
  memoryBytes: number,
  socketsFolder: string,
): Promise<MemoryTarget> {
  const neededBytes = Math.ceil(memoryBytes * bytesPerByte) + deviceStateBytes;
  await requireSpace(path.dirname(file), neededBytes);
  const byName = opensMemoryFiles(await versionOf(monitor));
  const handle = await open(file, 'wx', 0o600);
  if (byName) {
    return new OpenFile(file, handle, fileChannel(file), true);
  }
  const isReserved = reserve !== undefined && reserve(handle.fd, keepSize, 0, neededBytes) === 0;
  const target = new OpenFile(file, handle, { uri: `fd:${descriptorName}` }, isReserved);
  try {
    if (await monitor.passDescriptor(descriptorName, handle.fd)) {
      return target;
    }
    await target.discard();
    const received = new ReceivedFile(file, path.join(socketsFolder, 'memory.sock'));
    await received.listen();
    return received;
  } catch (error) {
    await target.discard();
    throw error;
  }
}

/** QEMU has no code for why a migration failed, and on ext2 no space can be reserved: so the volume itself is asked. */
async function fullVolume(file: string): Promise<CheckpointError | undefined> {
  const folder = path.dirname(file);
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize >= pieceBytes
    ? undefined
    : new CheckpointError(
        'NotEnoughSpace',
        'The volume became full while memory was saved. Nothing was changed, and the machine is as before. Free some space and try again, or leave memory out.',
        { path: folder, freeBytes: bavail * bsize },
      );
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

const descriptorName = 'memory';

/** A file that QEMU has open itself. */
class OpenFile implements MemoryTarget {
  readonly destination: MigrationPlace;
  readonly takesBackgroundSnapshots: boolean;
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #hash: GrowingHash;

  constructor(file: string, handle: FileHandle, destination: MigrationPlace, takesBackgroundSnapshots: boolean) {
    this.#file = file;
    this.#handle = handle;
    this.#hash = new GrowingHash(file);
    this.destination = destination;
    this.takesBackgroundSnapshots = takesBackgroundSnapshots;
  }

  throwIfFailed(): void {
    // A write that fails is QEMU's to tell.
  }

  whyFailed(): Promise<CheckpointError | undefined> {
    return fullVolume(this.#file);
  }

  async finish(): Promise<{ sizeBytes: number; sha256: string }> {
    const { size } = await this.#handle.stat();
    // Gives back what was reserved and is not needed.
    await this.#handle.truncate(size);
    const [sha256] = await Promise.all([this.#hash.end(), this.#handle.sync()]);
    await this.#handle.close();
    await syncFolder(path.dirname(this.#file));
    return { sizeBytes: size, sha256 };
  }

  async discard(): Promise<void> {
    await this.#hash.giveUp();
    await this.#handle.close().catch(() => undefined);
    await rm(this.#file, { force: true });
  }
}

/** A file that this process writes, from a private socket that QEMU sends to. */
class ReceivedFile implements MemoryTarget {
  readonly destination: MigrationPlace;
  readonly takesBackgroundSnapshots = false;
  readonly #file: string;
  readonly #socketPath: string;
  readonly #server = net.createServer({ pauseOnConnect: true });
  #received: Promise<void> | undefined;
  #failure: Error | undefined;
  #socket: net.Socket | undefined;

  constructor(file: string, socketPath: string) {
    this.#file = file;
    this.#socketPath = socketPath;
    this.destination = { uri: `unix:${socketPath}` };
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

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#socketPath, resolve);
    });
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
  }

  whyFailed(): Promise<CheckpointError | undefined> {
    return fullVolume(this.#file);
  }

  async finish(): Promise<{ sizeBytes: number; sha256: string }> {
    await this.#received;
    await this.#close();
    const handle = await open(this.#file, 'r+');
    try {
      const [sha256] = await Promise.all([hashOf(this.#file), handle.sync()]);
      await syncFolder(path.dirname(this.#file));
      return { sizeBytes: (await handle.stat()).size, sha256 };
    } finally {
      await handle.close();
    }
  }

  async discard(): Promise<void> {
    await this.#close();
    await rm(this.#file, { force: true });
  }

  async #close(): Promise<void> {
    this.#server.close();
    this.#socket?.destroy();
    await rm(this.#socketPath, { force: true });
  }
}

/** SHA-256 of a file, in hexadecimal. */
export async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: pieceBytes }), hash);
  return hash.digest('hex');
}
