import { CheckpointError } from '../model/checkpoint-error.ts';
import type { DiskFormat } from '../model/machine.ts';
import type { DiskFile } from './disk-file.ts';
import type { Disk, Extent, Fault, Layer, ParentDifference, ParentReference } from './disk.ts';

/** A layer as it was when a snapshot inside it was taken. Reading only; closes the layer with itself. */
export class SnapshotView implements Layer {
  readonly isReadOnly = true;
  readonly #layer: Layer;
  readonly #disk: Disk;

  /** @throws UnsupportedDisk for a format without snapshots, CheckpointNotFound */
  static async of(layer: Layer, snapshot: string): Promise<SnapshotView> {
    if (layer.openSnapshot === undefined) {
      throw new CheckpointError(
        'UnsupportedDisk',
        `The disk ${layer.file.path} is a ${layer.format}, which has no snapshots inside. Leave --snapshot out.`,
        { path: layer.file.path, format: layer.format },
      );
    }
    return new SnapshotView(layer, await layer.openSnapshot(snapshot));
  }

  private constructor(layer: Layer, disk: Disk) {
    this.#layer = layer;
    this.#disk = disk;
  }

  get format(): DiskFormat {
    return this.#layer.format;
  }
  get virtualSizeBytes(): number {
    return this.#disk.virtualSizeBytes;
  }
  get logicalSectorBytes(): number {
    return this.#disk.logicalSectorBytes;
  }
  get file(): DiskFile {
    return this.#layer.file;
  }
  get parentReference(): ParentReference | undefined {
    return this.#layer.parentReference;
  }
  get identity(): Readonly<Record<string, string>> {
    return this.#layer.identity;
  }
  get details(): Readonly<Record<string, string | number | boolean>> {
    return this.#layer.details;
  }

  read(buffer: Buffer, offset: number): Promise<void> {
    return this.#disk.read(buffer, offset);
  }
  extents(offset: number, length: number, signal?: AbortSignal): AsyncIterable<Extent> {
    return this.#disk.extents(offset, length, signal);
  }
  compareParent(parent: Layer): ParentDifference[] {
    return this.#layer.compareParent(parent);
  }
  async close(): Promise<void> {
    await this.#disk.close();
    await this.#layer.close();
  }

  async flush(): Promise<void> {
    // Nothing can have changed.
  }
  write(): Promise<void> {
    return this.#refuse();
  }
  zero(): Promise<void> {
    return this.#refuse();
  }
  discard(): Promise<void> {
    return this.#refuse();
  }
  attachParent(): never {
    throw this.#readOnly();
  }
  setParent(): Promise<void> {
    return this.#refuse();
  }
  expectParentChange(): Promise<void> {
    return this.#refuse();
  }
  check(): Promise<Fault[]> {
    return this.#refuse();
  }
  compact(): Promise<number> {
    return this.#refuse();
  }
  resize(): Promise<void> {
    return this.#refuse();
  }

  #refuse(): Promise<never> {
    return Promise.reject(this.#readOnly());
  }

  #readOnly(): CheckpointError {
    const { path } = this.#layer.file;
    return new CheckpointError('PermissionDenied', `A snapshot inside ${path} is for reading only.`, { path });
  }
}
