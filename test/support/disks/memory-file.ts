import type { DiskFile } from '../../../engine/disks/disk-file.ts';

/** Bytes of one page of a sparse image. */
const pageBytes = 4096;

/**
 * A file in memory. Takes space only where something was written, so offsets of many TiB are fine. Copies share their
 * pages until one of them writes.
 */
export class MemoryFile implements DiskFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  #sizeBytes = 0;
  #pages = new Map<number, Buffer>();
  /** Pages that no copy shares. */
  #own = new Set<number>();

  constructor(path = '/memory/image', content?: Buffer, isReadOnly = false) {
    this.path = path;
    this.isReadOnly = isReadOnly;
    if (content !== undefined) {
      this.apply({ kind: 'write', offset: 0, content });
    }
  }

  /** Another file with the same content, under the same or another path. */
  copy(path = this.path, isReadOnly = this.isReadOnly): MemoryFile {
    const copy = new MemoryFile(path, undefined, isReadOnly);
    copy.become(this);
    return copy;
  }

  /** Takes over another file's content. */
  protected become(other: MemoryFile): void {
    this.#sizeBytes = other.#sizeBytes;
    this.#pages = new Map(other.#pages);
    this.#own = new Set();
    other.#own = new Set();
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Bytes that the file takes, in whole pages. */
  get allocatedBytes(): number {
    return this.#pages.size * pageBytes;
  }

  /** A range's content at once, zeros beyond the end; for tests that look into the file. */
  peek(offset: number, length: number): Buffer {
    const content = Buffer.alloc(length);
    this.#fill(content, offset);
    return content;
  }

  /** Carries out one recorded operation. */
  apply(operation: FileOperation): void {
    switch (operation.kind) {
      case 'write':
        this.#store(operation.content, operation.offset);
        return;
      case 'truncate':
        this.#clear(operation.sizeBytes, Math.max(0, this.#sizeBytes - operation.sizeBytes));
        this.#sizeBytes = operation.sizeBytes;
        return;
      case 'punchHole':
        this.#clear(operation.offset, Math.min(operation.length, this.#sizeBytes - operation.offset));
        return;
      case 'sync':
        return;
    }
  }

  async size(): Promise<number> {
    return this.#sizeBytes;
  }

  async read(buffer: Buffer, offset: number): Promise<number> {
    const length = Math.max(0, Math.min(buffer.length, this.#sizeBytes - offset));
    this.#fill(buffer.subarray(0, length), offset);
    return length;
  }

  async write(buffer: Buffer, offset: number): Promise<void> {
    this.#change({ kind: 'write', offset, content: Buffer.from(buffer) });
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#change({ kind: 'truncate', sizeBytes });
  }

  async punchHole(offset: number, length: number): Promise<boolean> {
    this.#change({ kind: 'punchHole', offset, length });
    return true;
  }

  async sync(): Promise<void> {
    this.record({ kind: 'sync' });
  }

  async nextData(offset: number): Promise<{ offset: number; length: number } | undefined> {
    const firstPage = Math.floor(offset / pageBytes);
    const pages = [...this.#pages.keys()].filter((page) => page >= firstPage).sort((a, b) => a - b);
    const first = pages[0];
    if (first === undefined || offset >= this.#sizeBytes) {
      return undefined;
    }
    let after = first;
    while (this.#pages.has(after)) {
      after++;
    }
    const start = Math.max(offset, first * pageBytes);
    return { offset: start, length: Math.min(after * pageBytes, this.#sizeBytes) - start };
  }

  async close(): Promise<void> {
    // Nothing is held: a test looks at the content, or opens it again, through the same object.
  }

  /** For subclasses: sees each operation as it is carried out. */
  protected record(_operation: FileOperation): void {
    // A plain file in memory keeps no record.
  }

  #change(operation: FileOperation): void {
    if (this.isReadOnly) {
      throw new Error(`A ${operation.kind} reached ${this.path}, which is open for reading`);
    }
    this.record(operation);
    this.apply(operation);
  }

  #fill(buffer: Buffer, offset: number): void {
    let done = 0;
    while (done < buffer.length) {
      const at = offset + done;
      const inPage = at % pageBytes;
      const length = Math.min(pageBytes - inPage, buffer.length - done);
      const page = this.#pages.get((at - inPage) / pageBytes);
      if (page === undefined) {
        buffer.fill(0, done, done + length);
      } else {
        page.copy(buffer, done, inPage, inPage + length);
      }
      done += length;
    }
  }

  #store(content: Buffer, offset: number): void {
    let done = 0;
    while (done < content.length) {
      const at = offset + done;
      const inPage = at % pageBytes;
      const length = Math.min(pageBytes - inPage, content.length - done);
      content.copy(this.#ownPage((at - inPage) / pageBytes), inPage, done, done + length);
      done += length;
    }
    this.#sizeBytes = Math.max(this.#sizeBytes, offset + content.length);
  }

  #clear(offset: number, length: number): void {
    if (length <= 0) {
      return;
    }
    const end = offset + length;
    const first = Math.floor(offset / pageBytes);
    const last = Math.floor((end - 1) / pageBytes);
    const touched =
      last - first < this.#pages.size
        ? Array.from({ length: last - first + 1 }, (_, index) => first + index)
        : [...this.#pages.keys()].filter((page) => page >= first && page <= last);
    for (const page of touched) {
      const from = Math.max(offset - page * pageBytes, 0);
      const to = Math.min(end - page * pageBytes, pageBytes);
      if (to - from === pageBytes) {
        this.#pages.delete(page);
        this.#own.delete(page);
      } else if (this.#pages.has(page)) {
        this.#ownPage(page).fill(0, from, to);
      }
    }
  }

  #ownPage(index: number): Buffer {
    const page = this.#pages.get(index);
    if (page !== undefined && this.#own.has(index)) {
      return page;
    }
    const own = page === undefined ? Buffer.alloc(pageBytes) : Buffer.from(page);
    this.#pages.set(index, own);
    this.#own.add(index);
    return own;
  }
}

/** What a layer did to its file. Offsets, lengths and sizes in bytes. */
export type FileOperation =
  | { kind: 'write'; offset: number; content: Buffer }
  | { kind: 'truncate'; sizeBytes: number }
  | { kind: 'punchHole'; offset: number; length: number }
  | { kind: 'sync' };
