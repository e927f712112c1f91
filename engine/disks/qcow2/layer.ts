import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import type { Disk, Extent, Fault, Layer, LongCall, ParentDifference, ParentReference } from '../disk.ts';
import { parseBackingFile } from './backing-file.ts';
import { checkImage } from './check.ts';
import { ClusterMap } from './cluster-map.ts';
import { compactImage } from './compact.ts';
import { ContentEraser } from './content-eraser.ts';
import { ContentReader } from './content-reader.ts';
import { ContentWriter } from './content-writer.ts';
import { extentsOf } from './extents.ts';
import { autoclear, incompatible } from './header.ts';
import type { ImageFile } from './image-file.ts';
import { layerDetails, layerIdentity } from './layer-facts.ts';
import type { LayerParts } from './layer-parts.ts';
import { Mutex } from './mutex.ts';
import { Operations } from './operations.ts';
import { Refcounts } from './refcounts.ts';
import { requireInside } from '../guest-range.ts';
import { resizeImage } from './resize.ts';
import { writeBackingFile } from './set-parent.ts';
import { SnapshotDisk } from './snapshot-disk.ts';
import { readSnapshots, type SnapshotInfo } from './snapshots.ts';

/** An open qcow2 image. */
export class Qcow2Layer implements LayerParts {
  readonly format = 'qcow2';
  readonly logicalSectorBytes = 512;
  readonly file: DiskFile;
  readonly isReadOnly: boolean;
  readonly image: ImageFile;
  readonly map: ClusterMap;
  readonly refcounts: Refcounts;
  readonly reader: ContentReader;
  readonly writer: ContentWriter;
  readonly eraser: ContentEraser;
  #parentReference: ParentReference | undefined;
  /** Writes, zeros and discards under way. */
  readonly #changes = new Operations();
  readonly #exclusive = new Mutex();
  /** Set while a call needs that nobody else changes the content. */
  #exclusiveCall: Promise<unknown> | undefined;
  #prepared: Promise<void> | undefined;
  #isPrepared = false;

  constructor(image: ImageFile) {
    this.image = image;
    this.file = image.file;
    this.isReadOnly = image.file.isReadOnly;
    const { backingFile, backingFormat } = image.header;
    this.#parentReference =
      backingFile === undefined ? undefined : parseBackingFile(backingFile, backingFormat, image.path);
    this.map = new ClusterMap(image, image.header);
    this.refcounts = new Refcounts(image);
    this.reader = new ContentReader(image, this.map, () => this.#parentReference !== undefined);
    this.writer = new ContentWriter(image, this.map, this.refcounts, this.reader);
    this.eraser = new ContentEraser(image, this.map, this.refcounts, this.reader, this.writer);
  }

  get virtualSizeBytes(): number {
    return this.image.header.virtualSizeBytes;
  }

  get parentReference(): ParentReference | undefined {
    return this.#parentReference;
  }

  get identity(): Readonly<Record<string, string>> {
    return layerIdentity(this.image.header);
  }

  get details(): Readonly<Record<string, string | number | boolean>> {
    return layerDetails(this.image.header);
  }

  async read(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.file.path, offset, buffer.length);
    if (buffer.length > 0) {
      await this.reader.read(buffer, offset);
    }
  }

  async write(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.file.path, offset, buffer.length);
    if (buffer.length > 0) {
      await this.#change(() => this.writer.write(buffer, offset));
    }
  }

  zero(offset: number, length: number): Promise<void> {
    return this.#erase(offset, length, false);
  }

  discard(offset: number, length: number): Promise<void> {
    return this.#erase(offset, length, true);
  }

  async flush(): Promise<void> {
    if (this.isReadOnly) {
      return;
    }
    await this.image.mutex.run(() => this.image.writeBack());
    if (this.image.hasReleasable) {
      const releasable = this.image.takeReleasable();
      await this.image.operations.quiesce();
      await this.image.mutex.run(async () => {
        await this.refcounts.release(releasable);
        await this.image.writeRefcounts();
      });
    }
  }

  extents(offset: number, length: number, signal?: AbortSignal): AsyncIterable<Extent> {
    requireInside(this, this.file.path, offset, length);
    return extentsOf(this.map, offset, length, signal);
  }

  async close(): Promise<void> {
    try {
      if (!this.isReadOnly) {
        await this.#changes.quiesce();
        await this.flush();
        await this.image.sync();
      }
    } finally {
      this.reader.clear();
      this.image.cache.clear();
      await this.file.close();
      if (this.image.dataFile !== this.file) {
        await this.image.dataFile.close();
      }
    }
  }

  compareParent(parent: Layer): ParentDifference[] {
    const expected = this.#parentReference?.format;
    // qcow2 keeps nothing of its parent but name and format.
    return expected === parent.format
      ? []
      : [{ field: 'backing file format', expected: expected ?? 'a name of a format', found: parent.format }];
  }

  attachParent(parent: Disk): void {
    this.reader.parent = parent;
  }

  async setParent(parent: { layer: Layer; relativePath: string } | undefined): Promise<void> {
    await this.#prepareForChange();
    await this.#alone(async () => {
      await this.flush();
      const backing = parent === undefined ? undefined : { name: parent.relativePath, format: parent.layer.format };
      await this.image.mutex.run(() => writeBackingFile(this.image, backing));
      const { backingFile, backingFormat } = this.image.header;
      this.#parentReference =
        backingFile === undefined ? undefined : parseBackingFile(backingFile, backingFormat, this.image.path);
      this.reader.parent = parent?.layer;
    });
  }

  async expectParentChange(_parent: Layer): Promise<void> {
    // A qcow2 image knows nothing of its parent that a write would change.
  }

  /** Lists the snapshots inside the image. @throws ImageDamaged */
  async snapshots(): Promise<SnapshotInfo[]> {
    return (await readSnapshots(this.image)).snapshots;
  }

  /**
   * What the guest saw when a snapshot was taken; to be closed before the image is.
   * @param id of the snapshot, or else its name
   * @throws CheckpointNotFound, ImageDamaged
   */
  async openSnapshot(id: string): Promise<Disk> {
    const snapshots = await this.snapshots();
    const snapshot = snapshots.find((one) => one.id === id) ?? snapshots.find((one) => one.name === id);
    if (snapshot === undefined) {
      throw new CheckpointError('CheckpointNotFound', `The disk ${this.image.path} has no snapshot ‘${id}’ inside.`, {
        path: this.image.path,
        snapshot: id,
      });
    }
    return new SnapshotDisk(this.image, snapshot, this.reader.parent, () => this.#parentReference !== undefined);
  }

  async check(options: LongCall & { repair: boolean }): Promise<Fault[]> {
    if (options.repair) {
      this.image.requireWritable();
    }
    return this.#alone(async () => {
      await this.flush();
      const faults = await checkImage(this.image, this.refcounts, options);
      if (options.repair) {
        await this.flush();
      }
      return faults;
    });
  }

  async compact(call: LongCall): Promise<number> {
    await this.#prepareForChange();
    return this.#alone(() => compactImage(this, call));
  }

  async resize(virtualSizeBytes: number, call: LongCall): Promise<void> {
    await this.#prepareForChange();
    await this.#alone(() => resizeImage(this, virtualSizeBytes, call));
  }

  async #erase(offset: number, length: number, punch: boolean): Promise<void> {
    requireInside(this, this.file.path, offset, length);
    if (length > 0) {
      await this.#change(() => this.eraser.erase(offset, offset + length, punch, () => this.flush()));
    }
  }

  async #change(work: () => Promise<void>): Promise<void> {
    while (this.#exclusiveCall !== undefined) {
      await this.#exclusiveCall;
    }
    const change = this.#changes.begin();
    try {
      if (!this.#isPrepared) {
        await this.#prepareForChange();
      }
      await work();
    } finally {
      this.#changes.end(change);
    }
  }

  /** Runs a call while nobody changes the content; reads go on. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#exclusive.run(async () => {
      let done: () => void = () => undefined;
      this.#exclusiveCall = new Promise<void>((resolve) => (done = resolve));
      try {
        await this.#changes.quiesce();
        return await work();
      } finally {
        this.#exclusiveCall = undefined;
        done();
      }
    });
  }

  /** Before the first change: what others left unfinished is mended, and what they would trust wrongly is taken back. */
  #prepareForChange(): Promise<void> {
    this.#prepared ??= this.#prepare().catch((error: unknown) => {
      this.#prepared = undefined;
      throw error;
    });
    return this.#prepared;
  }

  async #prepare(): Promise<void> {
    this.image.requireWritable();
    const { header } = this.image;
    if ((header.incompatibleFeatures & incompatible.dirty) !== 0n) {
      const faults = await checkImage(this.image, this.refcounts, { repair: true });
      const remaining = faults.find((fault) => fault.severity === 'error' && !fault.isRepaired);
      if (remaining !== undefined) {
        throw new CheckpointError(
          'ImageDamaged',
          `The disk ${this.image.path} was not closed properly, and its refcounts cannot be mended: ${remaining.message}`,
          { path: this.image.path, field: remaining.field, problem: remaining.message },
        );
      }
    }
    const kept = header.autoclearFeatures & autoclear.rawExternalData;
    if (header.autoclearFeatures !== kept) {
      await this.image.mutex.run(() => this.image.writeHeader({ autoclearFeatures: kept }));
      header.autoclearFeatures = kept;
    }
    this.#isPrepared = true;
  }
}
