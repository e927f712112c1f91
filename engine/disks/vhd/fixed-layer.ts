import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import type { Extent, Fault, Layer, LongCall, ParentDifference } from '../disk.ts';
import { requireInside, requireWritable } from '../guest-range.ts';
import { isZero } from '../zero-content.ts';
import { requireDiskSize, tailHoldsData } from './disk-size.ts';
import { readExactly } from './exact-read.ts';
import { storedExtents } from './file-extents.ts';
import { fillZero, writeZeros } from './file-zero.ts';
import {
  changedFooter,
  footerBytes,
  footerDetails,
  maxDiskBytes,
  ofSize,
  sectorBytes,
  vhdIdentity,
  type Footer,
} from './footer.ts';
import type { FixedMetadata } from './metadata.ts';
import { Turns } from './turns.ts';

const pieceBytes = 1 << 20;

/** A fixed VHD: the disk's bytes, and a footer behind them (VHD 1.0, "Fixed Hard Disk Image"). */
export class FixedLayer implements Layer {
  readonly format = 'vhd';
  readonly logicalSectorBytes = sectorBytes;
  readonly parentReference = undefined;
  readonly file: DiskFile;
  readonly #turns = new Turns();
  #footer: Footer;
  #footerOffset: number;
  #diskBytes: number;
  #isChanged = false;

  constructor(file: DiskFile, { footer, footerOffset, diskBytes }: FixedMetadata) {
    this.file = file;
    this.#footer = footer;
    this.#footerOffset = footerOffset;
    this.#diskBytes = diskBytes;
  }

  get isReadOnly(): boolean {
    return this.file.isReadOnly;
  }

  get virtualSizeBytes(): number {
    return this.#diskBytes;
  }

  get identity(): Readonly<Record<string, string>> {
    return vhdIdentity(this.#footer);
  }

  get details(): Readonly<Record<string, string | number | boolean>> {
    return footerDetails(this.#footer);
  }

  async read(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.file.path, offset, buffer.length);
    await readExactly(this.file, buffer, offset, 'Current Size');
  }

  async write(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.file.path, offset, buffer.length);
    requireWritable(this, this.file.path);
    await this.#change(() => this.file.write(buffer, offset));
  }

  async zero(offset: number, length: number): Promise<void> {
    requireInside(this, this.file.path, offset, length);
    requireWritable(this, this.file.path);
    await this.#change(() => fillZero(this.file, offset, length));
  }

  discard(offset: number, length: number): Promise<void> {
    return this.zero(offset, length);
  }

  async flush(): Promise<void> {
    if (this.#isChanged) {
      this.#isChanged = false;
      try {
        await this.file.sync();
      } catch (error) {
        this.#isChanged = true;
        throw error;
      }
    }
  }

  async *extents(offset: number, length: number, signal?: AbortSignal): AsyncGenerator<Extent> {
    requireInside(this, this.file.path, offset, length);
    for await (const extent of storedExtents(this.file, offset, length, offset)) {
      signal?.throwIfAborted();
      yield extent;
    }
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#turns.alone(() => this.file.close());
    }
  }

  compareParent(parent: Layer): ParentDifference[] {
    return [{ field: 'disk_type', expected: 'differencing', found: `fixed, for the parent ${parent.file.path}` }];
  }

  attachParent(): void {
    throw this.#noParent();
  }

  async setParent(parent: { layer: Layer; relativePath: string } | undefined): Promise<void> {
    if (parent !== undefined) {
      throw this.#noParent();
    }
  }

  async expectParentChange(): Promise<void> {
    throw this.#noParent();
  }

  async check({ repair }: LongCall & { repair: boolean }): Promise<Fault[]> {
    // A size by the geometry leaves the rest of the last cylinder unused.
    const end = Math.max(this.#diskBytes, Number(this.#footer.values.currentSize));
    const length = this.#footerOffset - end;
    if (length < sectorBytes) {
      return [];
    }
    if (repair) {
      requireWritable(this, this.file.path);
      await this.#turns.alone(() => this.#cut(Math.ceil(end / sectorBytes) * sectorBytes));
    }
    return [
      {
        severity: 'leak',
        field: 'Current Size',
        message: `${length} bytes between the disk's end and the footer are used by nothing.`,
        isRepaired: repair,
      },
    ];
  }

  async compact(): Promise<number> {
    requireWritable(this, this.file.path);
    return 0;
  }

  async resize(virtualSizeBytes: number, call: LongCall): Promise<void> {
    requireWritable(this, this.file.path);
    requireDiskSize(virtualSizeBytes, maxDiskBytes, this.file.path);
    await this.#turns.alone(async () => {
      await this.flush();
      if (virtualSizeBytes > this.#diskBytes) {
        await this.#grow(virtualSizeBytes, call.signal);
      } else if (virtualSizeBytes < this.#diskBytes) {
        await this.#requireEmpty(virtualSizeBytes, call);
        this.#take(changedFooter(this.#footer, ofSize(virtualSizeBytes)), virtualSizeBytes);
        await this.file.write(this.#footer.bytes, this.#footerOffset);
        await this.file.sync();
        await this.#cut(virtualSizeBytes);
      }
    });
  }

  /** The footer goes behind the new end first, then the place of the old one becomes zero, and then the size changes. */
  async #grow(sizeBytes: number, signal: AbortSignal | undefined): Promise<void> {
    const oldOffset = this.#footerOffset;
    if (sizeBytes > oldOffset) {
      await this.file.write(this.#footer.bytes, sizeBytes);
      await this.file.sync();
      this.#footerOffset = sizeBytes;
    }
    await writeZeros(this.file, this.#diskBytes, Math.min(sizeBytes, oldOffset + footerBytes), signal);
    await this.file.sync();
    this.#take(changedFooter(this.#footer, ofSize(sizeBytes)), sizeBytes);
    await this.file.write(this.#footer.bytes, this.#footerOffset);
    await this.file.sync();
  }

  /** Moves the footer towards the start, over what is no longer the disk's. */
  async #cut(offset: number): Promise<void> {
    await this.file.write(this.#footer.bytes, offset);
    await this.file.sync();
    await this.file.truncate(offset + footerBytes);
    await this.file.sync();
    this.#footerOffset = offset;
  }

  #take(footer: Footer, diskBytes: number): void {
    this.#footer = footer;
    this.#diskBytes = diskBytes;
  }

  async #change(work: () => Promise<void>): Promise<void> {
    try {
      await this.#turns.together(work);
    } finally {
      // Afterwards: a flush that began in the middle of the write does not count for it.
      this.#isChanged = true;
    }
  }

  async #requireEmpty(from: number, { signal, onProgress }: LongCall): Promise<void> {
    const piece = Buffer.allocUnsafe(pieceBytes);
    for await (const extent of this.extents(from, this.#diskBytes - from, signal)) {
      const end = extent.offset + extent.length;
      for (let at = extent.offset; extent.state === 'data' && at < end; at += piece.length) {
        signal?.throwIfAborted();
        const content = piece.subarray(0, Math.min(piece.length, end - at));
        await this.read(content, at);
        if (!isZero(content)) {
          throw tailHoldsData(this.file.path, from);
        }
        onProgress?.(at - from, this.#diskBytes - from);
      }
    }
  }

  #noParent(): CheckpointError {
    return new CheckpointError(
      'InvalidArgument',
      `The VHD ${this.file.path} is a fixed disk, which has no parent. Make a differencing disk on it instead.`,
      { path: this.file.path, field: 'disk_type' },
    );
  }
}
