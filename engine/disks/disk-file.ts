import {
  close,
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncate,
  ftruncateSync,
  open,
  openSync,
  read,
  write,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { diskInUse, lockForWriting } from './image-lock.ts';
import { openCached } from './open-cached.ts';
import { readCached } from './read-cached.ts';
import { seekData } from './seek-data.ts';
import { writeUncached } from './write-uncached.ts';

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
  /**
   * From now on, long writes go to the volume at once and need not stay in memory: for work that writes far more than
   * anybody is going to read soon. They are no more durable than others. Absent: it makes no difference.
   */
  keepOutOfCache?(): void;
  close(): Promise<void>;
}

const opened = promisify(open);
const closed = promisify(close);
const synced = promisify(fdatasync);
const truncated = promisify(ftruncate);

/** How a file is opened. `create` refuses a file that exists; a rehearsal is as `write`, but for what is written. */
export type FileAccess = 'read' | 'write' | 'create' | WriteRehearsal;

/** Puts itself between an open file and what would be written into it. */
export interface WriteRehearsal {
  of(file: DiskFile, sizeBytes: number): DiskFile;
}

/** How what is there already is opened. */
export type LayerAccess = Exclude<FileAccess, 'create'>;

/** Longer reads are content: other threads copy it, a few at a time. */
const longestCachedBytes = 256 * 1024;
/** Shorter writes are metadata, or a guest's: they are read again soon. */
const shortestUncachedBytes = 64 * 1024;
/** So little of a new file never has to wait for room in memory: it is written at once, and a turn of a thread saved. */
const firstBytes = 64 * 1024;

interface NativeFiles {
  trim(fd: number, offset: number, length: number): Promise<void>;
}

/** Without ever waiting: a pipe in a disk's place would hold the engine until somebody writes to it. */
const accessFlags: Readonly<Record<FileAccess & string, number>> = {
  read: constants.O_RDONLY | constants.O_NONBLOCK,
  write: constants.O_RDWR | constants.O_NONBLOCK,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
};
const missing = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'];

/**
 * Opens a regular file.
 * @param finalPath what the file is to call itself, when it will get another name before anybody else sees it
 * @throws DiskNotFound; NotADiskImage for a folder, a device, a pipe or a socket; DiskInUse for what another program has
 *   open; system errors (`EACCES`, `EEXIST`, …) pass through
 */
export async function openDiskFile(path: string, access: FileAccess, finalPath: string = path): Promise<DiskFile> {
  try {
    return await openRegular(path, access, flagsOf(access), finalPath);
  } catch (error) {
    throw missing.includes(systemCode(error) ?? '')
      ? new CheckpointError('DiskNotFound', `There is no file ${path}. Check the path.`, { path })
      : error;
  }
}

/**
 * The same for a path whose last part must not be a link, as seen at the instant of opening.
 * @returns undefined when it is one, when nothing is there, and where the system has no such way of opening (Windows)
 */
export async function openUnlessLink(path: string, access: LayerAccess): Promise<DiskFile | undefined> {
  if (process.platform === 'win32') {
    return undefined;
  }
  try {
    return await openRegular(path, access, flagsOf(access) | constants.O_NOFOLLOW, path);
  } catch (error) {
    if (missing.includes(systemCode(error) ?? '')) {
      return undefined;
    }
    throw error;
  }
}

async function openRegular(path: string, access: FileAccess, flags: number, finalPath: string): Promise<DiskFile> {
  const atOnce =
    access === 'create' ? openSync(path, flags, 0o600) : access === 'read' ? openCached?.(path, flags) : undefined;
  let fd: number;
  try {
    fd = atOnce ?? (await opened(path, flags, 0o600));
  } catch (error) {
    if (access !== 'read' && systemCode(error) === 'EBUSY') {
      // Windows: another program has it open, and shares it with no writer.
      throw diskInUse(path);
    }
    throw ['EISDIR', 'ENXIO'].includes(systemCode(error) ?? '') ? notRegular(path) : error;
  }
  const file = new SystemFile(finalPath, fd, {
    isReadOnly: access === 'read',
    isNew: access === 'create',
    isOpenAtOnce: access === 'read' && atOnce !== undefined,
  });
  try {
    if (!isRegular(fd)) {
      throw notRegular(path);
    }
    if (access !== 'read') {
      lockForWriting(fd, file.path);
    }
    return typeof access === 'object' ? access.of(file, await file.size()) : file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function flagsOf(access: FileAccess): number {
  return accessFlags[typeof access === 'object' ? 'write' : access];
}

/** The system has just looked at the file to open it: asking it again takes no time that would have to be waited for. */
function isRegular(fd: number): boolean {
  return fstatSync(fd).isFile();
}

function notRegular(path: string): CheckpointError {
  return new CheckpointError('NotADiskImage', `${path} is not a disk image: it is not a regular file.`, { path });
}

class SystemFile implements DiskFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  readonly #fd: number;
  readonly #isOpenAtOnce: boolean;
  #isClosed = false;
  #isUncached = false;
  /** What may still be written at once. */
  #firstBytes: number;

  /** @param how whether it was opened without waiting, by {@link openCached} */
  constructor(path: string, fd: number, how: { isReadOnly: boolean; isNew: boolean; isOpenAtOnce: boolean }) {
    this.path = path;
    this.#fd = fd;
    this.isReadOnly = how.isReadOnly;
    this.#isOpenAtOnce = how.isOpenAtOnce;
    this.#firstBytes = how.isNew ? firstBytes : 0;
  }

  // At once: the system has the length of an open file in memory, and a turn of a thread costs ten times as much.
  async size(): Promise<number> {
    return fstatSync(this.#fd).size;
  }

  // The callback forms are used where speed counts: a FileHandle costs a few microseconds more a call.
  read(buffer: Buffer, offset: number): Promise<number> {
    const cached = buffer.length <= longestCachedBytes ? readCached?.(this.#fd, buffer, offset) : undefined;
    if (cached?.isAll === true) {
      return Promise.resolve(cached.bytes);
    }
    return new Promise((resolve, reject) => {
      let done = cached?.bytes ?? 0;
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
    if (buffer.length <= this.#firstBytes) {
      return this.#writeAtOnce(buffer, offset);
    }
    this.#firstBytes = 0;
    return this.#isUncached && buffer.length >= shortestUncachedBytes
      ? this.#writeUncached(buffer, offset)
      : this.#writeCached(buffer, offset);
  }

  async #writeAtOnce(buffer: Buffer, offset: number): Promise<void> {
    this.#firstBytes -= buffer.length;
    let done = 0;
    while (done < buffer.length) {
      done += writeSync(this.#fd, buffer, done, buffer.length - done, offset + done);
    }
  }

  async #writeUncached(buffer: Buffer, offset: number): Promise<void> {
    const written = await writeUncached?.(this.#fd, buffer, offset);
    if (written === undefined) {
      // This file system cannot, or there is an error that the ordinary write meets, too, and tells.
      this.#isUncached = false;
    }
    if (written !== buffer.length) {
      await this.#writeCached(buffer.subarray(written ?? 0), offset + (written ?? 0));
    }
  }

  #writeCached(buffer: Buffer, offset: number): Promise<void> {
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

  async truncate(sizeBytes: number): Promise<void> {
    if (this.#firstBytes > 0) {
      ftruncateSync(this.#fd, sizeBytes);
    } else {
      await truncated(this.#fd, sizeBytes);
    }
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
    const size = await this.size();
    if (offset >= size) {
      return undefined;
    }
    return seekData === undefined ? { offset, length: size - offset } : seekData(this.#fd, offset, size);
  }

  keepOutOfCache(): void {
    this.#isUncached = writeUncached !== undefined;
  }

  /** A second call does nothing: the number of a closed file may be another file's by then. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      if (this.#isOpenAtOnce || this.#firstBytes > 0) {
        // Hardly anything is left to be written, which could take its time.
        closeSync(this.#fd);
      } else {
        await closed(this.#fd);
      }
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
