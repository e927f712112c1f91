import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { Disk, Extent } from '../disk.ts';
import { ClusterMap } from './cluster-map.ts';
import { ContentReader } from './content-reader.ts';
import { extentsOf } from './extents.ts';
import type { ImageFile } from './image-file.ts';
import { requireInside } from '../guest-range.ts';
import type { SnapshotInfo } from './snapshots.ts';

/** What the guest saw when an internal snapshot was taken. Lives as long as its image is open. */
export class SnapshotDisk implements Disk {
  readonly format = 'qcow2';
  readonly logicalSectorBytes = 512;
  readonly isReadOnly = true;
  readonly virtualSizeBytes: number;
  readonly #path: string;
  readonly #map: ClusterMap;
  readonly #reader: ContentReader;

  constructor(image: ImageFile, snapshot: SnapshotInfo, parent: Disk | undefined, hasParent: () => boolean) {
    this.#path = image.path;
    this.virtualSizeBytes = snapshot.virtualSizeBytes;
    this.#map = new ClusterMap(image, snapshot);
    this.#reader = new ContentReader(image, this.#map, hasParent);
    this.#reader.parent = parent;
  }

  async read(buffer: Buffer, offset: number): Promise<void> {
    requireInside(this, this.#path, offset, buffer.length);
    if (buffer.length > 0) {
      await this.#reader.read(buffer, offset);
    }
  }

  async write(): Promise<void> {
    throw this.#readOnly();
  }

  async zero(): Promise<void> {
    throw this.#readOnly();
  }

  async discard(): Promise<void> {
    throw this.#readOnly();
  }

  async flush(): Promise<void> {
    // Nothing can have changed.
  }

  extents(offset: number, length: number, signal?: AbortSignal): AsyncIterable<Extent> {
    requireInside(this, this.#path, offset, length);
    return extentsOf(this.#map, offset, length, signal);
  }

  async close(): Promise<void> {
    this.#reader.clear();
  }

  #readOnly(): CheckpointError {
    return new CheckpointError('PermissionDenied', `A snapshot inside ${this.#path} is for reading only.`, {
      path: this.#path,
    });
  }
}
