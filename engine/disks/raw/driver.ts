import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import type {
  CreateLayer,
  Extent,
  Fault,
  FormatDriver,
  Layer,
  LongCall,
  OpenLayer,
  ParentDifference,
} from '../disk.ts';
import { requireInside, requireWritable } from '../guest-range.ts';
import { isZero, zeroBuffer } from '../zero-content.ts';

/** A raw disk is nothing but its content: a whole number of these. */
const sectorBytes = 512;
/** Holes begin and end at pages; what lies between is filled with zeros. */
const pageBytes = 4096;
/** Shorter ranges are not worth a call of their own to the file system. */
const shortestHoleBytes = 4 * pageBytes;
/** What a file system can address at most, rounded down to what counts exactly. */
const longestBytes = 2 ** 53 - 2 ** 20;

/** Raw disks: the file's bytes are the disk's. Opened only when told so: a guest can write what looks like another format. */
export const rawDriver: FormatDriver = {
  async open({ file }: OpenLayer): Promise<Layer> {
    return new RawLayer(file, await file.size());
  },

  async create({ file, virtualSizeBytes, parent, isFixed }: CreateLayer): Promise<void> {
    if (parent !== undefined) {
      throw noParents(file.path);
    }
    requireSize(virtualSizeBytes, file.path);
    await file.truncate(virtualSizeBytes);
    if (isFixed === true) {
      for (let offset = 0; offset < virtualSizeBytes; offset += zeroBuffer.length) {
        await file.write(zeroBuffer.subarray(0, Math.min(zeroBuffer.length, virtualSizeBytes - offset)), offset);
      }
    }
    await file.sync();
  },
};

class RawLayer implements Layer {
  readonly format = 'raw';
  readonly logicalSectorBytes = sectorBytes;
  readonly parentReference = undefined;
  readonly identity = {};
  readonly details = {};
  readonly file: DiskFile;
  /** Bytes of the file; a last sector that is cut short reads as if zeros filled it up. */
  #fileBytes: number;
  #isChanged = false;

  constructor(file: DiskFile, fileBytes: number) {
    this.file = file;
    this.#fileBytes = fileBytes;
  }

  get isReadOnly(): boolean {
    return this.file.isReadOnly;
  }

  get virtualSizeBytes(): number {
    return Math.ceil(this.#fileBytes / sectorBytes) * sectorBytes;
  }

  async read(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.file.path, offset, buffer.length);
    const found = await this.file.read(buffer, offset);
    buffer.fill(0, found);
  }

  async write(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.file.path, offset, buffer.length);
    requireWritable(this, this.file.path);
    this.#isChanged = true;
    await this.file.write(buffer, offset);
  }

  async zero(offset: number, length: number): Promise<void> {
    requireInside(this, this.file.path, offset, length);
    requireWritable(this, this.file.path);
    this.#isChanged = true;
    const end = Math.min(offset + length, this.#fileBytes);
    const holeStart = Math.ceil(offset / pageBytes) * pageBytes;
    const holeEnd = end === this.#fileBytes ? end : Math.floor(end / pageBytes) * pageBytes;
    const isHole =
      holeEnd - holeStart >= shortestHoleBytes && (await this.file.punchHole(holeStart, holeEnd - holeStart));
    if (isHole) {
      await this.#fill(offset, holeStart);
      await this.#fill(holeEnd, end);
    } else {
      await this.#fill(offset, end);
    }
  }

  discard(offset: number, length: number): Promise<void> {
    return this.zero(offset, length);
  }

  async flush(): Promise<void> {
    if (this.#isChanged) {
      this.#isChanged = false;
      await this.file.sync();
    }
  }

  async *extents(offset: number, length: number, signal?: AbortSignal): AsyncGenerator<Extent> {
    requireInside(this, this.file.path, offset, length);
    const end = offset + length;
    let at = offset;
    while (at < end) {
      signal?.throwIfAborted();
      const found = await this.#nextData(at);
      const start = Math.min(found?.offset ?? end, end);
      if (start > at) {
        yield { offset: at, length: start - at, state: 'zero' };
      }
      at = Math.min(found === undefined ? end : found.offset + found.length, end);
      if (at > start) {
        yield { offset: start, length: at - start, state: 'data', fileOffset: start };
      }
    }
  }

  close(): Promise<void> {
    return this.flush().finally(() => this.file.close());
  }

  compareParent(): ParentDifference[] {
    throw noParents(this.file.path);
  }

  attachParent(): void {
    throw noParents(this.file.path);
  }

  async setParent(parent: { layer: Layer } | undefined): Promise<void> {
    if (parent !== undefined) {
      throw noParents(this.file.path);
    }
  }

  async expectParentChange(): Promise<void> {
    throw noParents(this.file.path);
  }

  async check(): Promise<Fault[]> {
    return [];
  }

  async compact(call: LongCall): Promise<number> {
    requireWritable(this, this.file.path);
    const piece = Buffer.allocUnsafe(zeroBuffer.length);
    let freed = 0;
    for await (const extent of this.extents(0, this.#fileBytes, call.signal)) {
      const end = extent.offset + extent.length;
      for (let at = extent.offset; extent.state === 'data' && at < end;) {
        call.signal?.throwIfAborted();
        // Up to the next multiple, so that what is found zero is whole pages.
        const content = piece.subarray(0, Math.min(piece.length - (at % piece.length), end - at));
        await this.read(content, at);
        freed += await this.#punchZeros(content, at);
        at += content.length;
      }
      call.onProgress?.(end, this.#fileBytes);
    }
    await this.flush();
    return freed;
  }

  async resize(virtualSizeBytes: number, call: LongCall): Promise<void> {
    requireWritable(this, this.file.path);
    requireSize(virtualSizeBytes, this.file.path);
    if (virtualSizeBytes < this.virtualSizeBytes) {
      await this.#requireEmpty(virtualSizeBytes, call.signal);
    }
    await this.file.truncate(virtualSizeBytes);
    this.#fileBytes = virtualSizeBytes;
    await this.file.sync();
  }

  async #nextData(offset: number): Promise<{ offset: number; length: number } | undefined> {
    if (offset >= this.#fileBytes) {
      return undefined;
    }
    return this.file.nextData === undefined ? { offset, length: this.#fileBytes - offset } : this.file.nextData(offset);
  }

  async #fill(from: number, to: number): Promise<void> {
    for (let at = from; at < to; at += zeroBuffer.length) {
      await this.file.write(zeroBuffer.subarray(0, Math.min(zeroBuffer.length, to - at)), at);
    }
  }

  async #punchZeros(content: Buffer, offset: number): Promise<number> {
    let freed = 0;
    for (let from = 0; from < content.length;) {
      let to = from;
      while (to < content.length && isZero(content, to, Math.min(to + pageBytes, content.length))) {
        to = Math.min(to + pageBytes, content.length);
      }
      if (to > from && (await this.file.punchHole(offset + from, to - from))) {
        this.#isChanged = true;
        freed += to - from;
      }
      from = to + pageBytes;
    }
    return freed;
  }

  async #requireEmpty(from: number, signal: AbortSignal | undefined): Promise<void> {
    const piece = Buffer.allocUnsafe(zeroBuffer.length);
    for await (const extent of this.extents(from, this.virtualSizeBytes - from, signal)) {
      const end = extent.offset + extent.length;
      for (let at = extent.offset; extent.state === 'data' && at < end; at += piece.length) {
        const content = piece.subarray(0, Math.min(piece.length, end - at));
        await this.read(content, at);
        if (!isZero(content)) {
          throw new CheckpointError(
            'InvalidArgument',
            `The disk ${this.file.path} holds data beyond byte ${from}, so it cannot be made that short.`,
            { path: this.file.path, virtualSizeBytes: from },
          );
        }
      }
    }
  }
}

function requireSize(virtualSizeBytes: number | undefined, path: string): asserts virtualSizeBytes is number {
  const isSize = Number.isSafeInteger(virtualSizeBytes) && (virtualSizeBytes ?? 0) > 0;
  if (!isSize || (virtualSizeBytes ?? 0) % sectorBytes !== 0 || (virtualSizeBytes ?? 0) > longestBytes) {
    throw new CheckpointError(
      'InvalidArgument',
      `A raw disk's size is a whole number of ${sectorBytes}-byte sectors, and ${virtualSizeBytes ?? 'none'} is not.`,
      { path, virtualSizeBytes },
    );
  }
}

function noParents(path: string): CheckpointError {
  return new CheckpointError(
    'UnsupportedDisk',
    `A raw disk cannot have a parent. Make the layer ${path} in another format (qcow2, VHDX, VHD).`,
    { path },
  );
}
