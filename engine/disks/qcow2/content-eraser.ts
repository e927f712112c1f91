import type { ClusterMap } from './cluster-map.ts';
import type { ContentReader } from './content-reader.ts';
import { granuleMask, type ContentWriter } from './content-writer.ts';
import { autoclear } from './header.ts';
import type { ImageFile } from './image-file.ts';
import { allGranules, readL2Entry, writeL2Entry, type L2Entry } from './l2-table.ts';
import type { Refcounts } from './refcounts.ts';
import { retireCluster } from './retire-cluster.ts';

const zeros = Buffer.alloc(1024 * 1024);

/**
 * Makes ranges zero: as zero clusters where the format has them, by giving clusters up, or by writing zeros. In a layer with
 * a parent they are always this layer's own, also behind the parent's end: another parent, or this one in time, may be longer.
 */
export class ContentEraser {
  readonly #image: ImageFile;
  readonly #map: ClusterMap;
  readonly #refcounts: Refcounts;
  readonly #reader: ContentReader;
  readonly #writer: ContentWriter;

  constructor(image: ImageFile, map: ClusterMap, refcounts: Refcounts, reader: ContentReader, writer: ContentWriter) {
    this.#image = image;
    this.#map = map;
    this.#refcounts = refcounts;
    this.#reader = reader;
    this.#writer = writer;
  }

  /**
   * Zeros from one offset up to another, of which only whole granules become zero clusters.
   * @param end the disk's end counts as the end of its last cluster
   * @param punch whether the space is to be given back to the volume
   * @param onPressed called between pieces, outside of all locks, when a flush is due
   */
  async erase(start: number, end: number, punch: boolean, onPressed: () => Promise<void>): Promise<void> {
    const { granuleSize } = this.#image.geometry;
    const isToDiskEnd = end === this.#image.header.virtualSizeBytes;
    const wholeStart = Math.ceil(start / granuleSize) * granuleSize;
    const wholeEnd = isToDiskEnd ? Math.ceil(end / granuleSize) * granuleSize : end - (end % granuleSize);
    if (wholeStart >= wholeEnd) {
      await this.#writeZeros(start, end);
      return;
    }
    await this.#writeZeros(start, wholeStart);
    for (let at = wholeStart; at < wholeEnd;) {
      at = await this.#eraseWhole(at, wholeEnd, punch);
      if (this.#image.isPressed) {
        await onPressed();
      }
    }
    await this.#writeZeros(wholeEnd, end);
  }

  /** Zeros whole granules up to where the L2 table's part in memory ends at the latest. @returns how far it came */
  async #eraseWhole(start: number, end: number, punch: boolean): Promise<number> {
    const run = this.#map.peek(start, end - start) ?? (await this.#map.find(start, end - start));
    const runEnd = Math.min(end, start + run.length);
    if (run.kind === 'parent' && !this.#reader.hasParent) {
      return runEnd;
    }
    const { geometry, header } = this.#image;
    const isRaw = (header.autoclearFeatures & autoclear.rawExternalData) !== 0n;
    const mustWrite = isRaw || (!geometry.hasZeroClusters && this.#reader.hasParent);
    if (mustWrite) {
      await this.#writeZeros(start, Math.min(runEnd, header.virtualSizeBytes));
      return runEnd;
    }
    const lockEnd = Math.min(
      Math.ceil(end / geometry.clusterSize) * geometry.clusterSize,
      (Math.floor(start / geometry.l2Coverage) + 1) * geometry.l2Coverage,
    );
    const done = await this.#writer.locks.run(this.#image.clusterStart(start), lockEnd, async () => {
      const erased = await this.#image.mutex.run(() => this.#eraseEntries(start, Math.min(end, lockEnd), punch));
      if (punch && geometry.hasExternalDataFile) {
        await this.#image.dataFile.punchHole(start, Math.min(erased, header.virtualSizeBytes) - start);
      }
      return erased;
    });
    if (done > start) {
      return done;
    }
    // Part of a compressed cluster: it has no granules, and becomes a standard one.
    const clusterEnd = Math.min(end, this.#image.clusterStart(start) + geometry.clusterSize);
    await this.#writeZeros(start, Math.min(clusterEnd, header.virtualSizeBytes));
    return clusterEnd;
  }

  /** @returns how far it came: up to the end of the page, or to a part of a compressed cluster */
  async #eraseEntries(start: number, end: number, punch: boolean): Promise<number> {
    const { geometry, path, cache } = this.#image;
    const { clusterSize, granuleSize, l2EntryBytes } = geometry;
    const { page, at } = await this.#map.writablePlace(start, this.#refcounts);
    const whole = geometry.hasSubclusters ? allGranules : 1;
    let done = start;
    for (let entryAt = at; entryAt < page.bytes.length && done < end; entryAt += l2EntryBytes) {
      const cluster = this.#image.clusterStart(done);
      const next = Math.min(end, cluster + clusterSize);
      const old = readL2Entry(page.bytes, entryAt, geometry, path);
      const mask = geometry.hasSubclusters
        ? granuleMask((done - cluster) / granuleSize, (next - cluster) / granuleSize)
        : 1;
      if (old.isCompressed && mask !== whole) {
        return done;
      }
      const erased = this.#erasedEntry(old, mask, whole);
      if (erased !== undefined) {
        writeL2Entry(page.bytes, entryAt, erased, geometry);
        cache.markDirty(page, entryAt, l2EntryBytes, 'mapping');
        if (erased.hostOffset !== old.hostOffset || old.isCompressed) {
          retireCluster(this.#image, old, punch);
        }
      }
      done = next;
    }
    return done;
  }

  /** What an entry becomes; undefined when it stays. */
  #erasedEntry(
    old: L2Entry,
    mask: number,
    whole: number,
  ): Pick<L2Entry, 'isCopied' | 'hostOffset' | 'dataGranules' | 'zeroGranules'> | undefined {
    if (mask !== whole) {
      const zeroGranules = (old.zeroGranules | mask) >>> 0;
      const dataGranules = (old.dataGranules & ~mask) >>> 0;
      return zeroGranules === old.zeroGranules ? undefined : { ...old, zeroGranules, dataGranules };
    }
    if (!old.isAllocated && (old.zeroGranules === whole || (old.zeroGranules === 0 && !this.#reader.hasParent))) {
      return undefined;
    }
    const zeroGranules = this.#image.geometry.hasZeroClusters ? whole : 0;
    return { isCopied: false, hostOffset: 0, dataGranules: 0, zeroGranules };
  }

  /** Writes zeros where something else is seen, or may be one day. */
  async #writeZeros(start: number, end: number): Promise<void> {
    for (let at = start; at < end;) {
      const run = this.#map.peek(at, end - at) ?? (await this.#map.find(at, end - at));
      const isRaw = (this.#image.header.autoclearFeatures & autoclear.rawExternalData) !== 0n;
      const isZero = run.kind === 'zero' || (run.kind === 'parent' && !this.#reader.hasParent);
      const length = Math.min(end - at, run.length, isZero && !isRaw ? Infinity : zeros.length);
      if (!isZero || isRaw) {
        await this.#writer.write(zeros.subarray(0, length), at);
      }
      at += length;
    }
  }
}
