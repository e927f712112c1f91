import { CheckpointError } from '../../../../../engine/model/checkpoint-error.ts';
import type { Disk, Extent } from '../../../../../engine/disks/disk.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';

export const blockBytes = 4096;

/** A plain layer in memory, in blocks of 4 KiB, which passes reads on to its parent where it has nothing. */
export class BlockDisk implements Disk {
  readonly format = 'raw';
  readonly logicalSectorBytes = 512;
  readonly virtualSizeBytes: number;
  readonly isReadOnly: boolean;
  readonly #parent: Disk | undefined;
  readonly #content = new MemoryFile();
  readonly #states = new Map<number, 'data' | 'zero'>();
  /** Calls so far, by name. */
  readonly calls = { read: 0, write: 0, flush: 0, zero: 0, discard: 0, extents: 0 };
  /** Awaited before each read and write, so that a test can hold them up. */
  gate: () => Promise<void> = async () => undefined;
  /** Thrown by each read and write. */
  failure: Error | undefined;
  /** Reads and writes under way, and the most that there were. */
  underWay = 0;
  mostUnderWay = 0;

  constructor(virtualSizeBytes: number, options: { parent?: Disk; isReadOnly?: boolean } = {}) {
    this.virtualSizeBytes = virtualSizeBytes;
    this.#parent = options.parent;
    this.isReadOnly = options.isReadOnly ?? false;
  }

  async read(buffer: Buffer, offset: number): Promise<void> {
    this.calls.read++;
    await this.#enter(offset, buffer.length);
    for (let at = 0; at < buffer.length;) {
      const within = (offset + at) % blockBytes;
      const length = Math.min(blockBytes - within, buffer.length - at);
      await this.#readBlock(buffer.subarray(at, at + length), offset + at);
      at += length;
    }
    this.underWay--;
  }

  async write(buffer: Buffer, offset: number): Promise<void> {
    this.calls.write++;
    await this.#enter(offset, buffer.length);
    this.#requireWritable();
    await this.#own(offset, buffer.length);
    this.#content.apply({ kind: 'write', offset, content: buffer });
    this.underWay--;
  }

  async zero(offset: number, length: number): Promise<void> {
    this.calls.zero++;
    await this.#clear(offset, length);
  }

  async discard(offset: number, length: number): Promise<void> {
    this.calls.discard++;
    await this.#clear(offset, length);
  }

  async flush(): Promise<void> {
    this.calls.flush++;
  }

  async *extents(offset: number, length: number, signal?: AbortSignal): AsyncGenerator<Extent> {
    this.calls.extents++;
    const end = offset + length;
    for (let at = offset; at < end;) {
      signal?.throwIfAborted();
      const state = this.#states.get(Math.floor(at / blockBytes)) ?? 'parent';
      let next = at;
      do {
        next = Math.min(end, next - (next % blockBytes) + blockBytes);
      } while (next < end && (this.#states.get(next / blockBytes) ?? 'parent') === state);
      yield { offset: at, length: next - at, state };
      at = next;
    }
  }

  async close(): Promise<void> {
    // Nothing is held.
  }

  async #enter(offset: number, length: number): Promise<void> {
    this.underWay++;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    await this.gate();
    if (this.failure !== undefined || offset + length > this.virtualSizeBytes) {
      this.underWay--;
      throw this.failure ?? new CheckpointError('InvalidArgument', 'Beyond the end.');
    }
  }

  #requireWritable(): void {
    if (this.isReadOnly) {
      throw new CheckpointError('PermissionDenied', 'Read-only.');
    }
  }

  async #clear(offset: number, length: number): Promise<void> {
    this.#requireWritable();
    const end = offset + length;
    const isWhole = (block: number): boolean => block * blockBytes >= offset && (block + 1) * blockBytes <= end;
    await this.#own(offset, Math.min(length, blockBytes));
    await this.#own(Math.max(offset, end - blockBytes), Math.min(length, blockBytes));
    this.#content.apply({ kind: 'punchHole', offset, length });
    for (let block = Math.floor(offset / blockBytes); block * blockBytes < end; block++) {
      this.#states.set(block, isWhole(block) ? 'zero' : 'data');
    }
  }

  async #readBlock(buffer: Buffer, offset: number): Promise<void> {
    const state = this.#states.get(Math.floor(offset / blockBytes));
    const inParent = Math.min(buffer.length, Math.max(0, (this.#parent?.virtualSizeBytes ?? 0) - offset));
    if (state !== undefined || inParent === 0) {
      this.#content.peek(offset, buffer.length).copy(buffer);
    } else {
      await this.#parent?.read(buffer.subarray(0, inParent), offset);
      buffer.fill(0, inParent);
    }
  }

  /** Copies from the parent what a range's blocks hold, so that a part of them can change. */
  async #own(offset: number, length: number): Promise<void> {
    for (let block = Math.floor(offset / blockBytes); block * blockBytes < offset + length; block++) {
      const content = Buffer.alloc(Math.min(blockBytes, this.virtualSizeBytes - block * blockBytes));
      await this.#readBlock(content, block * blockBytes);
      this.#content.apply({ kind: 'write', offset: block * blockBytes, content });
      this.#states.set(block, 'data');
    }
  }
}
