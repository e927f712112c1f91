import path from 'node:path';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import type { Disk, Extent, Fault, Layer, LongCall, ParentDifference, ParentReference } from '../disk.ts';
import { requireInside, requireWritable } from '../guest-range.ts';
import type { Descriptor } from './descriptor.ts';
import type { SparseWriter } from './sparse-writer.ts';
import { sectorBytes } from './structures.ts';
import type { VmdkExtent } from './vmdk-extent.ts';

/** What the driver found in the files of a VMDK. */
export interface VmdkParts {
  file: DiskFile;
  descriptor: Descriptor;
  /** In the disk's order. */
  extents: readonly VmdkExtent[];
  /** The extent that lies in `file` itself, where there is one. */
  ownExtent: VmdkExtent | undefined;
  writer: SparseWriter | undefined;
  details: Readonly<Record<string, string | number | boolean>>;
}

interface PlacedExtent {
  extent: VmdkExtent;
  start: number;
  end: number;
}

/** A VMDK, or a delta link of one. Read-only, but for an image that was just created. */
export class VmdkLayer implements Layer {
  readonly format = 'vmdk';
  readonly logicalSectorBytes = sectorBytes;
  readonly file: DiskFile;
  readonly virtualSizeBytes: number;
  readonly parentReference: ParentReference | undefined;
  readonly identity: Readonly<Record<string, string>>;
  readonly details: Readonly<Record<string, string | number | boolean>>;
  readonly #descriptor: Descriptor;
  readonly #placed: readonly PlacedExtent[];
  readonly #ownExtent: VmdkExtent | undefined;
  readonly #writer: SparseWriter | undefined;
  #parent: Disk | undefined;
  #isClosed = false;

  constructor({ file, descriptor, extents, ownExtent, writer, details }: VmdkParts) {
    this.file = file;
    this.#descriptor = descriptor;
    this.#ownExtent = ownExtent;
    this.#writer = writer;
    this.details = details;
    let end = 0;
    this.#placed = extents.map((extent) => {
      const start = end;
      end += extent.lengthBytes;
      return { extent, start, end };
    });
    this.virtualSizeBytes = end;
    const { cid, parentCid, parentFileNameHint } = descriptor;
    this.identity = { CID: cid, ...(parentCid === undefined ? {} : { parentCID: parentCid }) };
    this.parentReference =
      parentCid === undefined ? undefined : { paths: parentPaths(parentFileNameHint ?? ''), format: 'vmdk' };
  }

  get isReadOnly(): boolean {
    return this.#writer === undefined;
  }

  async read(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.file.path, offset, buffer.length);
    for (let at = 0; at < buffer.length;) {
      const { extent, start, end } = this.#extentAt(offset + at);
      const length = Math.min(buffer.length - at, end - offset - at);
      const part = length === buffer.length ? buffer : buffer.subarray(at, at + length);
      await extent.read(part, offset + at - start, (below, from) => this.#readBelow(below, start + from));
      at += length;
    }
  }

  async write(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.file.path, offset, buffer.length);
    await this.#requireWriter().write(buffer, offset);
  }

  async zero(offset: number, length: number): Promise<void> {
    requireInside(this, this.file.path, offset, length);
    await this.#requireWriter().zero(offset, length);
  }

  discard(offset: number, length: number): Promise<void> {
    return this.zero(offset, length);
  }

  async flush(): Promise<void> {
    await this.#writer?.flush();
  }

  async *extents(offset: number, length: number, signal?: AbortSignal): AsyncGenerator<Extent> {
    requireInside(this, this.file.path, offset, length);
    const rangeEnd = offset + length;
    for (let at = offset; at < rangeEnd;) {
      const { extent, start, end } = this.#extentAt(at);
      const to = Math.min(end, rangeEnd);
      for await (const found of extent.extents(at - start, to - at, signal)) {
        const { fileOffset, ...rest } = found;
        // Offsets in other files mean nothing to whoever has only the layer's.
        const place = fileOffset === undefined || extent !== this.#ownExtent ? {} : { fileOffset };
        yield { ...rest, ...place, offset: start + found.offset };
      }
      at = to;
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    try {
      await this.flush();
    } finally {
      await closeAll([
        ...this.#placed.map(({ extent }) => extent).filter((each) => each !== this.#ownExtent),
        this.file,
      ]);
    }
  }

  compareParent(parent: Layer): ParentDifference[] {
    const expected = this.#descriptor.parentCid ?? '';
    const found = parent.identity['CID'] ?? `none: it is ${parent.format}`;
    return found === expected ? [] : [{ field: 'parentCID', expected, found }];
  }

  attachParent(parent: Disk): void {
    this.#parent = parent;
  }

  async setParent(): Promise<void> {
    throw this.#isForReading('PermissionDenied');
  }

  async expectParentChange(): Promise<void> {
    // A parent's content id is not changed by a merge; and into a VMDK nothing is merged.
  }

  async check({ onProgress, ...call }: LongCall & { repair: boolean }): Promise<Fault[]> {
    if (call.repair) {
      requireWritable(this.file, this.file.path);
    }
    const faults: Fault[] = [];
    for (const { extent, start } of this.#placed) {
      const progress =
        onProgress === undefined
          ? {}
          : { onProgress: (done: number) => onProgress(start + done, this.virtualSizeBytes) };
      faults.push(...(await extent.check({ ...call, ...progress })));
    }
    return call.repair ? faults.map(sayingWhatStays) : faults;
  }

  async compact(): Promise<number> {
    throw this.#isForReading('UnsupportedDisk');
  }

  async resize(): Promise<void> {
    throw this.#isForReading('UnsupportedDisk');
  }

  #requireWriter(): SparseWriter {
    if (this.#writer === undefined) {
      throw this.#isForReading('PermissionDenied');
    }
    return this.#writer;
  }

  #isForReading(code: 'PermissionDenied' | 'UnsupportedDisk'): CheckpointError {
    return new CheckpointError(
      code,
      `The VMDK ${this.file.path} can be read, but not changed: only a new one is written, once. ` +
        'Convert it (ckpt disk convert) to a format that can be written.',
      { path: this.file.path, reason: 'VMDK is read-only' },
    );
  }

  #extentAt(offset: number): PlacedExtent {
    let low = 0;
    let high = this.#placed.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#placed[middle]?.end ?? 0) <= offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const found = this.#placed[low];
    if (found === undefined) {
      throw new Error(`No extent at ${offset}`);
    }
    return found;
  }

  async #readBelow(buffer: Buffer, offset: number): Promise<void> {
    const parent = this.#parent;
    if (parent === undefined) {
      if (this.parentReference !== undefined) {
        throw new CheckpointError(
          'ParentMismatch',
          `The disk ${this.file.path} is a delta link, and its parent ${this.parentReference.paths.join()} is not open.`,
          { path: this.file.path, field: 'parentFileNameHint' },
        );
      }
      buffer.fill(0);
      return;
    }
    const inParent = Math.min(buffer.length, Math.max(0, parent.virtualSizeBytes - offset));
    if (inParent > 0) {
      await parent.read(buffer.subarray(0, inParent), offset);
    }
    buffer.fill(0, inParent);
  }
}

/** A fault that was to be mended and was not says what can be done about it. */
function sayingWhatStays(fault: Fault): Fault {
  return fault.isRepaired || fault.severity === 'leak'
    ? fault
    : {
        ...fault,
        message:
          `${fault.message} That cannot be mended: a VMDK's tables are mended only from their redundant copies, and there is ` +
          'none, or none that tells what is right. What can be read can be converted (ckpt disk convert).',
      };
}

async function closeAll(all: readonly { close(): Promise<void> }[]): Promise<void> {
  const failed = (await Promise.allSettled(all.map((each) => each.close()))).find(
    ({ status }) => status === 'rejected',
  );
  if (failed?.status === 'rejected') {
    throw failed.reason;
  }
}

/**
 * The paths to try: as the hint says, in this system's notation, then the bare name beside the link. A hint is absolute
 * when the parent lay elsewhere, and an export or a copy brings both into one folder.
 */
function parentPaths(hint: string): string[] {
  const isForeign = path.sep === '/' && !hint.includes('/');
  const local = isForeign ? hint.replaceAll('\\', '/') : hint;
  const name = path.basename(local);
  return name === '' || name === '.' || name === '..' ? [local] : [...new Set([local, name])];
}
