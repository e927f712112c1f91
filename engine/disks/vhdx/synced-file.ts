import type { DiskFile } from '../disk-file.ts';

/** A file that knows whether something was written that no sync has made durable yet. */
export class SyncedFile implements DiskFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  readonly #file: DiskFile;
  /** Where the next byte beyond the end would lie; kept here, so that no write has to ask. */
  sizeBytes: number;
  /** A write that has finished is not yet covered by a sync. */
  isDirty = false;

  constructor(file: DiskFile, sizeBytes: number) {
    this.#file = file;
    this.path = file.path;
    this.isReadOnly = file.isReadOnly;
    this.sizeBytes = sizeBytes;
  }

  async size(): Promise<number> {
    return this.sizeBytes;
  }

  read(buffer: Buffer, offset: number): Promise<number> {
    return this.#file.read(buffer, offset);
  }

  async write(buffer: Buffer, offset: number): Promise<void> {
    // Said at the end, not before: a sync that begins meanwhile need not cover this write.
    try {
      await this.#file.write(buffer, offset);
    } finally {
      this.isDirty = true;
    }
    this.sizeBytes = Math.max(this.sizeBytes, offset + buffer.length);
  }

  async truncate(sizeBytes: number): Promise<void> {
    try {
      await this.#file.truncate(sizeBytes);
      this.sizeBytes = sizeBytes;
    } finally {
      this.isDirty = true;
    }
  }

  async punchHole(offset: number, length: number): Promise<boolean> {
    try {
      return await this.#file.punchHole(offset, length);
    } finally {
      this.isDirty = true;
    }
  }

  async nextData(offset: number): Promise<{ offset: number; length: number } | undefined> {
    return this.#file.nextData === undefined
      ? { offset, length: Math.max(0, this.sizeBytes - offset) }
      : this.#file.nextData(offset);
  }

  keepOutOfCache(): void {
    this.#file.keepOutOfCache?.();
  }

  async sync(): Promise<void> {
    this.isDirty = false;
    try {
      await this.#file.sync();
    } catch (error) {
      this.isDirty = true;
      throw error;
    }
  }

  /** Makes durable what has been written, if anything has. */
  async syncIfDirty(): Promise<void> {
    if (this.isDirty) {
      await this.sync();
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
