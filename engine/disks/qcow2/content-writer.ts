import type { ClusterMap } from './cluster-map.ts';
import type { ContentReader } from './content-reader.ts';
import { subclustersPerCluster } from './geometry.ts';
import type { ImageFile } from './image-file.ts';
import { allGranules, readL2Entry, writeL2Entry, type L2Entry } from './l2-table.ts';
import { allDone } from './mutex.ts';
import { RangeLock } from './range-lock.ts';
import type { Refcounts } from './refcounts.ts';
import { retireCluster } from './retire-cluster.ts';

/** Host clusters for a piece of a write, before the L2 entries say so. Offsets and lengths in bytes. */
interface Piece {
  /** Guest offset of the first cluster. */
  cluster: number;
  clusters: number;
  /** Host offset of the first cluster. */
  hostOffset: number;
  /** The clusters were just allocated: nothing of the guest's is in them. */
  isNew: boolean;
  /** So many bytes of them may hold what somebody wrote there before. */
  staleBytes: number;
  first: L2Entry;
  last: L2Entry;
}

/** A write with what must be filled around it is put together in one buffer up to this length. */
const longestComposed = 256 * 1024;

/** Writes guest content: in place where this image alone has the cluster, otherwise into new clusters. */
export class ContentWriter {
  readonly locks = new RangeLock();
  readonly #image: ImageFile;
  readonly #map: ClusterMap;
  readonly #refcounts: Refcounts;
  readonly #reader: ContentReader;

  constructor(image: ImageFile, map: ClusterMap, refcounts: Refcounts, reader: ContentReader) {
    this.#image = image;
    this.#map = map;
    this.#refcounts = refcounts;
    this.#reader = reader;
  }

  /** The range lies inside the disk. */
  async write(buffer: Buffer, offset: number): Promise<void> {
    const operation = this.#image.operations.begin();
    try {
      const run = this.#map.peek(offset, buffer.length) ?? (await this.#map.find(offset, buffer.length));
      if (run.kind === 'data' && run.isCopied && run.length >= buffer.length) {
        await this.#image.writeData(buffer, run.hostOffset);
        return;
      }
      const { clusterSize } = this.#image.geometry;
      const end = Math.ceil((offset + buffer.length) / clusterSize) * clusterSize;
      await this.locks.run(this.#image.clusterStart(offset), end, () => this.#writePieces(buffer, offset));
    } finally {
      this.#image.operations.end(operation);
    }
  }

  async #writePieces(buffer: Buffer, offset: number): Promise<void> {
    const { mutex } = this.#image;
    for (let done = 0; done < buffer.length;) {
      const at = offset + done;
      const piece = await mutex.run(() => this.#plan(at, buffer.length - done));
      const end = Math.min(offset + buffer.length, piece.cluster + piece.clusters * this.#image.geometry.clusterSize);
      const { fillStart, fillEnd } = this.#fillRange(piece, at, end);
      try {
        await this.#writePiece(piece, buffer.subarray(done, end - offset), at, fillStart, fillEnd);
      } catch (error) {
        if (piece.isNew) {
          const unused = { offset: piece.hostOffset, count: piece.clusters, punch: false };
          await mutex.run(() => this.#refcounts.release([unused]));
        }
        throw error;
      }
      await mutex.run(() => this.#link(piece, fillStart, fillEnd));
      done = end - offset;
    }
  }

  /** Finds or takes host clusters for as much of a write as lies in clusters of one kind that follow each other. */
  async #plan(offset: number, length: number): Promise<Piece> {
    const { geometry, path } = this.#image;
    if (this.#image.isPressed) {
      await this.#image.writeBack();
    }
    const { page, at } = await this.#map.writablePlace(offset, this.#refcounts);
    const cluster = this.#image.clusterStart(offset);
    const wanted = Math.ceil((offset + length - cluster) / geometry.clusterSize);
    const first = readL2Entry(page.bytes, at, geometry, path);
    const isNew = needsCluster(first) && !geometry.hasExternalDataFile;
    let last = first;
    let clusters = 1;
    for (let next = at; clusters < wanted && (next += geometry.l2EntryBytes) < page.bytes.length; clusters++) {
      const entry = readL2Entry(page.bytes, next, geometry, path);
      const follows = isNew
        ? needsCluster(entry)
        : geometry.hasExternalDataFile ||
          (!needsCluster(entry) && entry.hostOffset === first.hostOffset + clusters * geometry.clusterSize);
      if (!follows) {
        break;
      }
      last = entry;
    }
    if (!isNew) {
      const hostOffset = geometry.hasExternalDataFile ? cluster : first.hostOffset;
      return { cluster, clusters, hostOffset, isNew, staleBytes: 0, first, last };
    }
    const given = await this.#refcounts.allocate(clusters);
    if (given.count < clusters) {
      clusters = given.count;
      const lastAt = at + (clusters - 1) * geometry.l2EntryBytes;
      // The page is only read here; what it says of these clusters cannot have changed.
      last = readL2Entry(page.bytes, lastAt, geometry, path);
    }
    return { cluster, clusters, hostOffset: given.offset, isNew, staleBytes: given.staleBytes, first, last };
  }

  /** What is to be written beside a piece's own bytes, so that all granules that it touches are whole. */
  #fillRange(piece: Piece, start: number, end: number): { fillStart: number; fillEnd: number } {
    const { clusterSize, granuleSize } = this.#image.geometry;
    const granuleOf = (offset: number): number => Math.floor((offset % clusterSize) / granuleSize);
    const unit = (entry: L2Entry): number => (piece.isNew && hasContent(entry) ? clusterSize : granuleSize);
    const isThere = (entry: L2Entry, offset: number): boolean =>
      !piece.isNew && ((entry.dataGranules >>> granuleOf(offset)) & 1) !== 0;
    return {
      fillStart: isThere(piece.first, start) ? start : start - (start % unit(piece.first)),
      fillEnd: isThere(piece.last, end - 1) ? end : Math.ceil(end / unit(piece.last)) * unit(piece.last),
    };
  }

  async #writePiece(piece: Piece, content: Buffer, offset: number, fillStart: number, fillEnd: number): Promise<void> {
    const host = piece.hostOffset - piece.cluster;
    const end = offset + content.length;
    const isClean = piece.isNew && piece.staleBytes === 0;
    const from = isClean && this.#isKnownZero(fillStart, offset) ? offset : fillStart;
    const to = isClean && this.#isKnownZero(end, fillEnd) ? end : fillEnd;
    if (from === offset && to === end) {
      await this.#image.writeData(content, host + offset);
    } else if (to - from <= longestComposed) {
      const composed = Buffer.allocUnsafe(to - from);
      await this.#readFill(composed.subarray(0, offset - from), from);
      content.copy(composed, offset - from);
      await this.#readFill(composed.subarray(end - from), end);
      await this.#image.writeData(composed, host + from);
    } else {
      const head = Buffer.allocUnsafe(offset - from);
      const tail = Buffer.allocUnsafe(to - end);
      await this.#readFill(head, from);
      await this.#readFill(tail, end);
      await allDone([
        this.#image.writeData(head, host + from),
        this.#image.writeData(content, host + offset),
        this.#image.writeData(tail, host + end),
      ]);
    }
  }

  /** What the guest sees there now; zeros behind the disk's end, which may lie within its last cluster. */
  async #readFill(buffer: Buffer, offset: number): Promise<void> {
    const inDisk = Math.max(0, Math.min(buffer.length, this.#image.header.virtualSizeBytes - offset));
    buffer.fill(0, inDisk);
    if (inDisk > 0) {
      await this.#reader.read(buffer.subarray(0, inDisk), offset);
    }
  }

  /** True when the guest sees zeros there, and that can be told without reading anything. */
  #isKnownZero(start: number, end: number): boolean {
    if (start >= end) {
      return true;
    }
    const run = this.#map.peek(start, end - start);
    if (run === undefined || start + run.length < end) {
      return false;
    }
    return run.kind === 'zero' || (run.kind === 'parent' && !this.#reader.isParentVisible(start));
  }

  /** Lets the L2 entries point to a piece, now that its content is written. */
  async #link(piece: Piece, fillStart: number, fillEnd: number): Promise<void> {
    const { geometry, cache, path } = this.#image;
    const { clusterSize, granuleSize, l2EntryBytes } = geometry;
    const { page, at } = await this.#map.writablePlace(piece.cluster, this.#refcounts);
    for (let index = 0; index < piece.clusters; index++) {
      const entryAt = at + index * l2EntryBytes;
      const old = readL2Entry(page.bytes, entryAt, geometry, path);
      const cluster = piece.cluster + index * clusterSize;
      const written = geometry.hasSubclusters
        ? granuleMask(
            Math.max(0, fillStart - cluster) / granuleSize,
            Math.min(clusterSize, fillEnd - cluster) / granuleSize,
          )
        : 1;
      const dataGranules = ((piece.isNew ? 0 : old.dataGranules) | written) >>> 0;
      const zeroGranules = (old.zeroGranules & ~written) >>> 0;
      const isSame =
        !piece.isNew && old.isAllocated && dataGranules === old.dataGranules && zeroGranules === old.zeroGranules;
      if (!isSame) {
        const hostOffset = piece.hostOffset + index * clusterSize;
        writeL2Entry(page.bytes, entryAt, { isCopied: true, hostOffset, dataGranules, zeroGranules }, geometry);
        cache.markDirty(page, entryAt, l2EntryBytes, 'mapping');
      }
      if (piece.isNew) {
        retireCluster(this.#image, old, false);
      }
    }
  }
}

/** Whether a write to an entry's cluster must go elsewhere. */
function needsCluster(entry: L2Entry): boolean {
  return entry.isCompressed || !entry.isAllocated || !entry.isCopied;
}

function hasContent(entry: L2Entry): boolean {
  return entry.isCompressed || entry.dataGranules !== 0;
}

/** Bits of the granules from one up to another; partly covered ones count. */
export function granuleMask(from: number, to: number): number {
  const first = Math.floor(from);
  const count = Math.ceil(to) - first;
  if (count <= 0) {
    return 0;
  }
  return count >= subclustersPerCluster ? allGranules : ((2 ** count - 1) << first) >>> 0;
}
