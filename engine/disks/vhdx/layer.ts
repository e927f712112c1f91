import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { Disk, Extent, Fault, Layer, LongCall, ParentDifference, ParentReference } from '../disk.ts';
import type { DiskFile } from '../disk-file.ts';
import { requireInside, requireWritable } from '../guest-range.ts';
import { guestExtents, readAtOnce, readGuest } from './block-reader.ts';
import { writeAtOnce, writeGuest, zeroGuest } from './block-writer.ts';
import { checkImage } from './check.ts';
import { compactImage } from './compact.ts';
import type { VhdxImage } from './image.ts';
import { linkages, parentPaths } from './parent-locator.ts';
import { resizeImage } from './resize.ts';
import { expectDataWriteGuid, removeParent, setParent } from './set-parent.ts';

/** A VHDX, as one layer of a chain. */
export class VhdxLayer implements Layer {
  readonly format = 'vhdx';
  readonly file: DiskFile;
  readonly #image: VhdxImage;

  constructor(image: VhdxImage) {
    this.#image = image;
    this.file = image.file;
  }

  get isReadOnly(): boolean {
    return this.#image.file.isReadOnly;
  }

  get virtualSizeBytes(): number {
    return this.#image.metadata.virtualDiskSizeBytes;
  }

  get logicalSectorBytes(): number {
    return this.#image.metadata.logicalSectorBytes;
  }

  get parentReference(): ParentReference | undefined {
    const { locator } = this.#image;
    return locator === undefined ? undefined : { paths: parentPaths(locator), format: 'vhdx' };
  }

  get identity(): Readonly<Record<string, string>> {
    return {
      DataWriteGuid: this.#image.dataWriteGuid,
      FileWriteGuid: this.#image.headers.values.FileWriteGuid,
      VirtualDiskId: this.#image.metadata.virtualDiskId,
    };
  }

  get details(): Readonly<Record<string, string | number | boolean>> {
    const { metadata, locator, found } = this.#image;
    return {
      Creator: found.creator,
      BlockSize: metadata.blockSizeBytes,
      LogicalSectorSize: metadata.logicalSectorBytes,
      PhysicalSectorSize: metadata.physicalSectorBytes,
      LeaveBlockAllocated: metadata.leaveBlockAllocated,
      HasParent: metadata.hasParent,
      LogGuid: found.headers.values.LogGuid,
      ...Object.fromEntries(locator ?? []),
    };
  }

  async read(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.file.path, offset, buffer.length);
    const reading = readAtOnce(this.#image, buffer, offset);
    await (reading ?? this.#image.beside(() => readGuest(this.#image, buffer, offset)));
  }

  async write(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.file.path, offset, buffer.length);
    const writing = writeAtOnce(this.#image, buffer, offset);
    await (writing ?? this.#change(buffer.length, () => writeGuest(this.#image, buffer, offset)));
  }

  async zero(offset: number, length: number): Promise<void> {
    requireInside(this, this.file.path, offset, length);
    await this.#change(length, () => zeroGuest(this.#image, offset, length));
  }

  discard(offset: number, length: number): Promise<void> {
    return this.zero(offset, length);
  }

  async #change(length: number, work: () => Promise<void>): Promise<void> {
    requireWritable(this, this.file.path);
    if (length > 0) {
      await this.#image.beside(async () => {
        await this.#image.beforeDataChange();
        await work();
      });
    }
  }

  async flush(): Promise<void> {
    if (!this.isReadOnly) {
      await this.#image.commit();
    }
  }

  extents(offset: number, length: number, signal?: AbortSignal): AsyncIterable<Extent> {
    requireInside(this, this.file.path, offset, length);
    return guestExtents(this.#image, offset, length, signal, (work) => this.#image.beside(work));
  }

  async close(): Promise<void> {
    try {
      if (!this.isReadOnly) {
        await this.#image.close();
      }
    } finally {
      await this.file.close();
    }
  }

  compareParent(parent: Layer): ParentDifference[] {
    const { locator } = this.#image;
    if (locator === undefined) {
      return [];
    }
    if (parent.format !== 'vhdx') {
      return [{ field: 'LocatorType', expected: 'vhdx', found: parent.format }];
    }
    const differences: ParentDifference[] = [];
    const expected = linkages(locator);
    const found = parent.identity['DataWriteGuid'] ?? '';
    if (!expected.includes(found)) {
      differences.push({ field: 'parent_linkage', expected: expected.join(' or '), found });
    }
    if (parent.logicalSectorBytes !== this.logicalSectorBytes) {
      differences.push({
        field: 'LogicalSectorSize',
        expected: String(this.logicalSectorBytes),
        found: String(parent.logicalSectorBytes),
      });
    }
    return differences;
  }

  attachParent(parent: Disk): void {
    this.#image.parent = parent;
  }

  setParent(parent: { layer: Layer; relativePath: string } | undefined): Promise<void> {
    return this.#alone(async () => {
      if (parent === undefined) {
        await removeParent(this.#image);
        return;
      }
      const linkage = parent.layer.identity['DataWriteGuid'];
      if (parent.layer.format !== 'vhdx' || linkage === undefined) {
        throw notVhdx(this.file.path, parent.layer);
      }
      await setParent(this.#image, linkage, parent.relativePath);
    });
  }

  /** DataWriteGuid that this layer has after its content changes next. */
  get comingDataWriteGuid(): string {
    return this.#image.nextDataWriteGuid;
  }

  expectParentChange(parent: Layer): Promise<void> {
    return this.#alone(async () => {
      if (!(parent instanceof VhdxLayer)) {
        throw notVhdx(this.file.path, parent);
      }
      await expectDataWriteGuid(this.#image, parent.#image.dataWriteGuid, parent.comingDataWriteGuid);
    });
  }

  async check(options: LongCall & { repair: boolean }): Promise<Fault[]> {
    if (options.repair) {
      requireWritable(this, this.file.path);
    }
    return this.#image.gate.alone(() => checkImage(this.#image, options));
  }

  compact(call: LongCall): Promise<number> {
    return this.#alone(() => compactImage(this.#image, call));
  }

  resize(virtualSizeBytes: number, call: LongCall): Promise<void> {
    return this.#alone(() => resizeImage(this.#image, virtualSizeBytes, call));
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    requireWritable(this, this.file.path);
    return this.#image.gate.alone(work);
  }
}

function notVhdx(path: string, parent: Layer): CheckpointError {
  return new CheckpointError(
    'UnsupportedDisk',
    `The parent of the VHDX ${path} has to be a VHDX, and ${parent.file.path} is ${parent.format}.`,
    { path, format: parent.format },
  );
}
