import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { Disk } from '../disk.ts';
import type { ClusterMap } from './cluster-map.ts';
import { decompressCluster } from './decompress.ts';
import type { ImageFile } from './image-file.ts';
import type { Run } from './l2-table.ts';
import { allDone } from './mutex.ts';
import { Page, sharedBudget, type PageOwner } from './page-cache.ts';

/** Reads of one call that are under way together, at most. */
const readsInFlight = 8;
/** Compressed clusters that lie close together are read from the file at once, up to so many bytes. */
const longestCompressedSpan = 1024 * 1024;

interface CompressedCluster {
  /** Guest offset of the cluster. */
  cluster: number;
  run: Run;
}

/** Reads what the guest sees through one L1 table: this image's clusters, and the parent through them. */
export class ContentReader implements PageOwner {
  parent: Disk | undefined;
  readonly #image: ImageFile;
  readonly #map: ClusterMap;
  /** Whether a parent is named, so that reads without it would be wrong. */
  readonly #hasParent: () => boolean;
  /** Decompressed clusters, by their compressed data's place; in the budget of all tables. */
  readonly #decompressed = new Map<number, Page>();

  constructor(image: ImageFile, map: ClusterMap, hasParent: () => boolean) {
    this.#image = image;
    this.#map = map;
    this.#hasParent = hasParent;
  }

  /** Fills the buffer; the range lies inside the disk. */
  async read(buffer: Buffer, offset: number): Promise<void> {
    const operation = this.#image.operations.begin();
    try {
      const run = this.#map.peek(offset, buffer.length) ?? (await this.#map.find(offset, buffer.length));
      if (run.kind === 'data' && run.length >= buffer.length) {
        await this.#image.readData(buffer, run.hostOffset);
      } else {
        await this.#readRuns(buffer, offset, run);
      }
    } finally {
      this.#image.operations.end(operation);
    }
  }

  /** Whether a parent shows through where this image has nothing, if not now then once the parent is longer. */
  get hasParent(): boolean {
    return this.#hasParent();
  }

  /** Whether the parent shows through where this image has nothing; false where zeros do. */
  isParentVisible(offset: number): boolean {
    return this.parent === undefined ? this.#hasParent() : offset < this.parent.virtualSizeBytes;
  }

  forget(page: Page): void {
    this.#decompressed.delete(page.offset);
    sharedBudget.remove(page);
  }

  /** Gives its memory back. */
  clear(): void {
    for (const page of [...this.#decompressed.values()]) {
      this.forget(page);
    }
  }

  async #readRuns(buffer: Buffer, offset: number, first: Run): Promise<void> {
    const pending: Promise<void>[] = [];
    const start = (work: Promise<void>): void => {
      // Its failure is thrown when it is waited for; until then it is nobody's.
      work.catch(() => undefined);
      pending.push(work);
    };
    try {
      let run: Run | undefined = first;
      for (let done = 0; done < buffer.length; run = undefined) {
        const at = offset + done;
        run ??= this.#map.peek(at, buffer.length - done) ?? (await this.#map.find(at, buffer.length - done));
        if (pending.length >= readsInFlight) {
          await allDone(pending.splice(0));
        }
        if (run.kind === 'compressed') {
          const clusters = await this.#compressedNeighbours(at, run, buffer.length - done);
          const length = this.#lengthOf(clusters, at, buffer.length - done);
          start(this.#readCompressed(buffer.subarray(done, done + length), at, clusters));
          done += length;
          continue;
        }
        const piece = buffer.subarray(done, done + run.length);
        if (run.kind === 'data') {
          start(this.#image.readData(piece, run.hostOffset));
        } else if (run.kind === 'zero') {
          piece.fill(0);
        } else {
          start(this.#readParent(piece, at));
        }
        done += piece.length;
      }
    } finally {
      await allDone(pending);
    }
  }

  /** What the parent has there; zeros beyond its end. */
  async #readParent(buffer: Buffer, offset: number): Promise<void> {
    if (this.parent === undefined) {
      if (this.#hasParent()) {
        throw new CheckpointError(
          'ParentMismatch',
          `The disk ${this.#image.path} holds only differences from its parent, which is not open.`,
          { path: this.#image.path, field: 'backing file name' },
        );
      }
      buffer.fill(0);
      return;
    }
    const inParent = Math.min(buffer.length, Math.max(0, this.parent.virtualSizeBytes - offset));
    if (inParent > 0) {
      await this.parent.read(inParent === buffer.length ? buffer : buffer.subarray(0, inParent), offset);
    }
    buffer.fill(0, inParent);
  }

  /** The compressed clusters from an offset on whose data lies in the file one after the other, near together. */
  async #compressedNeighbours(offset: number, first: Run, most: number): Promise<CompressedCluster[]> {
    const { clusterSize } = this.#image.geometry;
    let cluster = offset - (offset % clusterSize);
    const clusters = [{ cluster, run: first }];
    const spanStart = first.hostOffset;
    let last = first;
    for (let length = clusterSize - (offset % clusterSize); length < most; length += clusterSize) {
      cluster += clusterSize;
      const run = this.#map.peek(cluster, 1) ?? (await this.#map.find(cluster, 1));
      const isNear =
        run.kind === 'compressed' &&
        run.hostOffset >= last.hostOffset &&
        run.hostOffset + run.compressedBytes - spanStart <= longestCompressedSpan;
      if (!isNear) {
        break;
      }
      clusters.push({ cluster, run });
      last = run;
    }
    return clusters;
  }

  #lengthOf(clusters: readonly CompressedCluster[], offset: number, most: number): number {
    const end = (clusters.at(-1)?.cluster ?? offset) + this.#image.geometry.clusterSize;
    return Math.min(most, end - offset);
  }

  async #readCompressed(buffer: Buffer, offset: number, clusters: readonly CompressedCluster[]): Promise<void> {
    const known = clusters.length === 1 ? this.#decompressed.get(clusters[0]?.run.hostOffset ?? -1) : undefined;
    if (known !== undefined) {
      known.wasUsed = true;
      this.#copy(known.bytes, buffer, offset, clusters[0]?.cluster ?? offset);
      return;
    }
    const spanStart = clusters[0]?.run.hostOffset ?? 0;
    const spanEnd = clusters.reduce((end, { run }) => Math.max(end, run.hostOffset + run.compressedBytes), spanStart);
    const span = Buffer.allocUnsafeSlow(Math.max(0, Math.min(spanEnd, this.#image.sizeBytes) - spanStart));
    await this.#image.read(span, spanStart);
    await allDone(
      clusters.map(async ({ cluster, run }) => {
        const compressed = span.subarray(run.hostOffset - spanStart, run.hostOffset - spanStart + run.compressedBytes);
        const { header, geometry, path } = this.#image;
        const from = cluster - offset;
        const isPart = from < 0 || from + geometry.clusterSize > buffer.length;
        const content = isPart
          ? Buffer.allocUnsafeSlow(geometry.clusterSize)
          : buffer.subarray(from, from + geometry.clusterSize);
        await decompressCluster(compressed, header.compressionType, content, path);
        if (isPart) {
          this.#copy(content, buffer, offset, cluster);
          this.#keep(run.hostOffset, content);
        }
      }),
    );
  }

  #copy(content: Buffer, buffer: Buffer, offset: number, cluster: number): void {
    const from = Math.max(0, offset - cluster);
    content.copy(buffer, Math.max(0, cluster - offset), from);
  }

  /** A cluster that was asked for in part is likely to be asked for again. */
  #keep(hostOffset: number, content: Buffer): void {
    const old = this.#decompressed.get(hostOffset);
    if (old !== undefined) {
      this.forget(old);
    }
    const page = new Page(this, hostOffset, content);
    this.#decompressed.set(hostOffset, page);
    sharedBudget.add(page);
  }
}
