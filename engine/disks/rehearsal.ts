import type { DiskFile, WriteRehearsal } from './disk-file.ts';
import { isZero } from './zero-content.ts';

const pageBytes = 4096;

/**
 * An operation carried out on files that remember what was written into them, and write nothing: so the operation itself
 * says what it would refuse, and what it would write. For what changes metadata; content that is moved would fill the memory.
 */
export class Rehearsal implements WriteRehearsal {
  #newBytes = 0;

  /** What the files would take more, in bytes; a bound from above: what is written may have its place already. */
  get newBytes(): number {
    return this.#newBytes;
  }

  /** A file that is there, which is read where nothing was written. @param sizeBytes its present size */
  of(file: DiskFile, sizeBytes: number): DiskFile {
    return new RehearsedFile(file.path, file, sizeBytes, this.#count);
  }

  /** One that is not there yet. */
  newFile(path: string): DiskFile {
    return new RehearsedFile(path, undefined, 0, this.#count);
  }

  readonly #count = (bytes: number): void => {
    this.#newBytes += bytes;
  };
}

class RehearsedFile implements DiskFile {
  readonly path: string;
  readonly isReadOnly = false;
  readonly #base: DiskFile | undefined;
  /** What shows of the base: less once it was cut off. */
  #baseBytes: number;
  #sizeBytes: number;
  readonly #pages = new Map<number, Buffer>();
  readonly #grow: (bytes: number) => void;
  /** Parts of one page may be written at the same time. */
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(path: string, base: DiskFile | undefined, sizeBytes: number, grow: (bytes: number) => void) {
    this.path = path;
    this.#base = base;
    this.#baseBytes = sizeBytes;
    this.#sizeBytes = sizeBytes;
    this.#grow = grow;
    // The file system's own list of where a file lies.
    grow(pageBytes);
  }

  async size(): Promise<number> {
    return this.#sizeBytes;
  }

  async read(buffer: Buffer, offset: number): Promise<number> {
    const length = Math.max(0, Math.min(buffer.length, this.#sizeBytes - offset));
    const content = buffer.subarray(0, length);
    content.fill(0);
    const shown = Math.max(0, Math.min(length, this.#baseBytes - offset));
    await this.#base?.read(content.subarray(0, shown), offset);
    for (const { page, inPage, at, bytes } of partsOf(offset, length)) {
      this.#pages.get(page)?.copy(content, at, inPage, inPage + bytes);
    }
    return length;
  }

  write(buffer: Buffer, offset: number): Promise<void> {
    return this.#inTurn(() => this.#store(buffer, offset));
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#inTurn(async () => {
      const last = Math.floor(sizeBytes / pageBytes);
      if (sizeBytes < this.#sizeBytes && sizeBytes % pageBytes !== 0) {
        const rest = Math.min(this.#sizeBytes, (last + 1) * pageBytes) - sizeBytes;
        await this.#store(Buffer.alloc(rest), sizeBytes);
      }
      const isGone = (page: number): boolean => page > last || (page === last && sizeBytes % pageBytes === 0);
      [...this.#pages.keys()].filter(isGone).forEach((page) => this.#pages.delete(page));
      this.#baseBytes = Math.min(this.#baseBytes, sizeBytes);
      this.#sizeBytes = sizeBytes;
    });
  }

  /** Nothing is given back: whoever asks writes zeros then. */
  async punchHole(): Promise<boolean> {
    return false;
  }

  async sync(): Promise<void> {
    // Nothing was written.
  }

  async close(): Promise<void> {
    await this.#base?.close();
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const done = this.#lastWrite.then(change);
    this.#lastWrite = done.catch(() => undefined);
    return done;
  }

  async #store(content: Buffer, offset: number): Promise<void> {
    const end = offset + content.length;
    const isNothing = isZero(content);
    for (const { page, inPage, at, bytes } of partsOf(offset, content.length)) {
      // What nobody wrote is zero beyond the base.
      if (isNothing && page * pageBytes >= this.#baseBytes && !this.#pages.has(page)) {
        this.#grow(pageBytes);
        continue;
      }
      let own = this.#pages.get(page);
      if (own === undefined) {
        own = Buffer.alloc(pageBytes);
        await this.read(
          own.subarray(0, Math.max(0, Math.min(pageBytes, this.#sizeBytes - page * pageBytes))),
          page * pageBytes,
        );
        this.#pages.set(page, own);
        this.#grow(pageBytes);
      }
      content.copy(own, inPage, at, at + bytes);
    }
    this.#sizeBytes = Math.max(this.#sizeBytes, end);
  }
}

/** A range, page by page. @returns places in the file's pages, and in the range */
function* partsOf(
  offset: number,
  length: number,
): Generator<{ page: number; inPage: number; at: number; bytes: number }> {
  for (let at = 0; at < length;) {
    const page = Math.floor((offset + at) / pageBytes);
    const inPage = (offset + at) % pageBytes;
    const bytes = Math.min(pageBytes - inPage, length - at);
    yield { page, inPage, at, bytes };
    at += bytes;
  }
}
