import { close, fdatasync, fstat, ftruncate, open, read, write } from 'node:fs';
import { promisify } from 'node:util';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { seekData } from './seek-data.ts';

/**
 * The file under a disk image, or under a part of one. Formats reach their files through this alone, so that tests can
 * record and cut off every write. Offsets and lengths in bytes.
 */
export interface DiskFile {
  /** Absolute path. */
  readonly path: string;
  readonly isReadOnly: boolean;
  /** @returns its present size in bytes */
  size(): Promise<number>;
  /** Fills the buffer from an offset. @returns bytes read, fewer than the buffer holds only at the end of the file */
  read(buffer: Buffer, offset: number): Promise<number>;
  /** Writes the whole buffer; a write beyond the end makes the file longer. Durable only after {@link sync}. */
  write(buffer: Buffer, offset: number): Promise<void>;
  /** Makes the file shorter, or longer with zeros that take no space. */
  truncate(sizeBytes: number): Promise<void>;
  /** Gives the space of a range back, which then reads as zeros. @returns false where that is not possible; nothing has changed then */
  punchHole(offset: number, length: number): Promise<boolean>;
  /** Makes everything that was written durable (fdatasync). */
  sync(): Promise<void>;
  /**
   * The first range from an offset on that may hold something; undefined when nothing but a hole follows. A file system
   * that cannot tell has one such range, up to the end. Absent: not known at all.
   */
  nextData?(offset: number): Promise<{ offset: number; length: number } | undefined>;
  close(): Promise<void>;
}

const opened = promisify(open);
const closed = promisify(close);
const synced = promisify(fdatasync);
const truncated = promisify(ftruncate);
const examined = promisify(fstat);

/** How a file is opened. `create` refuses a file that exists. */
export type FileAccess = 'read' | 'write' | 'create';

interface NativeFiles {
  trim(fd: number, offset: number, length: number): Promise<void>;
}

/**
 * Opens a file of the operating system.
 * @param finalPath what the file is to call itself, when it will get another name before anybody else sees it
 * @throws DiskNotFound; system errors (`EACCES`, `EEXIST`, …) pass through
 */
export async function openDiskFile(path: string, access: FileAccess, finalPath: string = path): Promise<DiskFile> {
  const flags = { read: 'r', write: 'r+', create: 'wx+' }[access];
  try {
    const fd = await opened(path, flags, 0o600);
    return new SystemFile(finalPath, fd, access === 'read');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') {
      throw new CheckpointError('DiskNotFound', `There is no file ${path}. Check the path.`, { path });
    }
    throw error;
  }
}

class SystemFile implements DiskFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  readonly #fd: number;
  #isClosed = false;

  constructor(path: string, fd: number, isReadOnly: boolean) {
    this.path = path;
    this.#fd = fd;
    this.isReadOnly = isReadOnly;
  }

  async size(): Promise<number> {
    return (await examined(this.#fd)).size;
  }

  // The callback forms are used where speed counts: a FileHandle costs a few microseconds more a call.
  read(buffer: Buffer, offset: number): Promise<number> {
    return new Promise((resolve, reject) => {
      let done = 0;
      const next = (): void => {
        read(this.#fd, buffer, done, buffer.length - done, offset + done, (error, bytes) => {
          if (error !== null) {
            reject(error);
            return;
          }
          done += bytes;
          if (bytes === 0 || done === buffer.length) {
            resolve(done);
          } else {
            next();
          }
        });
      };
      next();
    });
  }

  write(buffer: Buffer, offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let done = 0;
      const next = (): void => {
        if (done === buffer.length) {
          resolve();
          return;
        }
        write(this.#fd, buffer, done, buffer.length - done, offset + done, (error, bytes) => {
          if (error !== null) {
            reject(error);
            return;
          }
          done += bytes;
          next();
        });
      };
      next();
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return truncated(this.#fd, sizeBytes);
  }

  async punchHole(offset: number, length: number): Promise<boolean> {
    if (native === undefined) {
      return false;
    }
    try {
      await native.trim(this.#fd, offset, length);
      return true;
    } catch {
      // The volume cannot: FAT, some network shares.
      return false;
    }
  }

  sync(): Promise<void> {
    return synced(this.#fd);
  }

  async nextData(offset: number): Promise<{ offset: number; length: number } | undefined> {
    const { size } = await examined(this.#fd);
    if (offset >= size) {
      return undefined;
    }
    return seekData === undefined ? { offset, length: size - offset } : seekData(this.#fd, offset, size);
  }

  /** A second call does nothing: the number of a closed file may be another file's by then. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      await closed(this.#fd);
    }
  }
}

const native: NativeFiles | undefined = loadNativeFiles();

function loadNativeFiles(): NativeFiles | undefined {
  try {
    // Loaded here and not imported, so that a platform without a binary still has an engine.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-return -- the package has no types
    return require('fs-native-extensions');
  } catch {
    return undefined;
  }
}
