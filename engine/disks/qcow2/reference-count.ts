import { CheckpointError } from '../../model/checkpoint-error.ts';
import { readStructure, type StructureTable } from '../structure.ts';
import type { L1Table } from './cluster-map.ts';
import type { FaultList } from './fault-list.ts';
import { bitmapsExtensionBytes, bitmapsExtensionTable, extensionType, findExtension } from './header-extensions.ts';
import { autoclear } from './header.ts';
import type { ImageFile } from './image-file.ts';
import { entryOffset, readL2Entry } from './l2-table.ts';
import { readTableEntry } from './refcounts.ts';
import { compressedClusters } from './retire-cluster.ts';
import { readSnapshots } from './snapshots.ts';
import { tableParts } from './table-parts.ts';

/** Clusters that are counted at a time, so that the counts of a long file do not fill the memory. A multiple of 8. */
export const windowClusters = 4 * 1024 * 1024;

/** Section "Bitmap directory": an entry's fixed part. */
const bitmapDirectoryTable = {
  bitmapTableOffset: { offset: 0, type: 'u64be' },
  bitmapTableSize: { offset: 8, type: 'u32be' },
  nameSize: { offset: 18, type: 'u16be' },
  extraDataSize: { offset: 20, type: 'u32be' },
} as const satisfies StructureTable;
const bitmapDirectoryBytes = 24;
const longestBitmapDirectory = 64 * 1024 * 1024;

/** Tables by which clusters are reached; read once, then counted for each window. */
export interface Roots {
  active: L1Table;
  snapshots: L1Table[];
  snapshotTableBytes: number;
}

/** @returns undefined when the snapshot table is damaged, which is in the list of faults then */
export async function readRoots(image: ImageFile, faults: FaultList): Promise<Roots> {
  const { header } = image;
  const roots: Roots = { active: header, snapshots: [], snapshotTableBytes: 0 };
  if (header.nbSnapshots === 0) {
    return roots;
  }
  try {
    const { snapshots, tableBytes } = await readSnapshots(image);
    const l1Bytes = snapshots.reduce((sum, { l1Size }) => sum + l1Size * 8, 0);
    if (l1Bytes > image.sizeBytes) {
      faults.broken('snapshot l1_size', 'The L1 tables of the snapshots are longer than the file, so they overlap.');
      return roots;
    }
    return { ...roots, snapshots, snapshotTableBytes: tableBytes };
  } catch (error) {
    if (error instanceof CheckpointError && error.code === 'ImageDamaged') {
      faults.broken(String(error.data['field']), error.message);
      return roots;
    }
    throw error;
  }
}

/** How often each cluster of a window is referred to. */
export class ReferenceCount {
  /** First cluster of the window. */
  readonly from: number;
  readonly counts: Uint32Array;
  /** 1 for each cluster that holds a table, which nothing else may refer to. */
  readonly #tables: Uint8Array;
  readonly #image: ImageFile;
  readonly #faults: FaultList | undefined;
  /** Tables are read again for each window; faults of their entries are noted with the first. */
  readonly #entryFaults: FaultList | undefined;
  readonly #fileClusters: number;

  constructor(image: ImageFile, from: number, faults: FaultList | undefined) {
    this.#image = image;
    this.from = from;
    this.#fileClusters = Math.ceil(image.sizeBytes / image.geometry.clusterSize);
    const length = Math.max(0, Math.min(windowClusters, this.#fileClusters - from));
    this.counts = new Uint32Array(length);
    this.#tables = new Uint8Array(length);
    this.#faults = faults;
    this.#entryFaults = from === 0 ? faults : undefined;
  }

  count(cluster: number): number {
    return this.counts[cluster - this.from] ?? 0;
  }

  /** @param withRefcounts whether the refcount table and its blocks count, or are about to be replaced */
  async run(roots: Roots, withRefcounts: boolean, signal?: AbortSignal): Promise<void> {
    const { header, geometry } = this.#image;
    this.#addTable(0, geometry.clusterSize, 'header');
    this.#addTable(header.l1TableOffset, header.l1Size * 8, 'L1 table');
    if (withRefcounts) {
      await this.#addRefcounts();
    }
    if (header.nbSnapshots > 0) {
      this.#addTable(header.snapshotsOffset, roots.snapshotTableBytes, 'snapshot table');
    }
    for (const { l1TableOffset, l1Size } of roots.snapshots) {
      this.#addTable(l1TableOffset, l1Size * 8, 'snapshot L1 table');
    }
    await this.#addBitmaps(signal);
    for (let from = 0; from < this.#fileClusters; from += windowClusters) {
      await this.#addL2Tables(roots, from, signal);
    }
  }

  async #addRefcounts(): Promise<void> {
    const { header, geometry } = this.#image;
    const tableBytes = header.refcountTableClusters * geometry.clusterSize;
    this.#addTable(header.refcountTableOffset, tableBytes, 'refcount table');
    for await (const { bytes, offset } of tableParts(this.#image, header.refcountTableOffset, tableBytes)) {
      for (let at = 0; at < bytes.length; at += 8) {
        const block = readTableEntry(bytes, at);
        if (block !== 0 && this.#isCluster(block, 'refcount table entry', offset + at)) {
          this.#addTable(block, geometry.clusterSize, 'refcount block');
        }
      }
    }
  }

  /** Bitmaps count only while they are said to be consistent; otherwise nobody will read them again. */
  async #addBitmaps(signal?: AbortSignal): Promise<void> {
    const { header, geometry, sizeBytes } = this.#image;
    const content = findExtension(header.extensions, extensionType.bitmaps)?.content;
    if ((header.autoclearFeatures & autoclear.bitmaps) === 0n || content === undefined) {
      return;
    }
    if (content.length < bitmapsExtensionBytes) {
      this.#entryFaults?.broken('bitmaps extension', `It has ${content.length} bytes.`);
      return;
    }
    const extension = readStructure(content, bitmapsExtensionTable);
    const directoryOffset = Number(extension.bitmapDirectoryOffset);
    const directoryBytes = Number(extension.bitmapDirectorySize);
    if (directoryBytes > longestBitmapDirectory || directoryOffset + directoryBytes > sizeBytes) {
      this.#entryFaults?.broken('bitmap_directory_size', `The bitmap directory does not lie inside the file.`);
      return;
    }
    this.#addTable(directoryOffset, directoryBytes, 'bitmap directory');
    const fixed = Buffer.alloc(bitmapDirectoryBytes);
    for (let at = 0; at + bitmapDirectoryBytes <= directoryBytes;) {
      signal?.throwIfAborted();
      await this.#image.read(fixed, directoryOffset + at);
      const entry = readStructure(fixed, bitmapDirectoryTable);
      const tableOffset = Number(entry.bitmapTableOffset);
      const tableBytes = entry.bitmapTableSize * 8;
      if (tableOffset + tableBytes > sizeBytes) {
        this.#entryFaults?.broken('bitmap_table_offset', 'A bitmap table does not lie inside the file.');
        return;
      }
      this.#addTable(tableOffset, tableBytes, 'bitmap table');
      for await (const part of tableParts(this.#image, tableOffset, tableBytes)) {
        for (let entryAt = 0; entryAt < part.bytes.length; entryAt += 8) {
          const data = entryOffset(part.bytes.readUInt32BE(entryAt), part.bytes.readUInt32BE(entryAt + 4));
          if (data !== 0 && this.#isCluster(data, 'bitmap table entry', part.offset + entryAt)) {
            this.#addTable(data, geometry.clusterSize, 'bitmap data');
          }
        }
      }
      at += Math.ceil((bitmapDirectoryBytes + entry.extraDataSize + entry.nameSize) / 8) * 8;
    }
  }

  /** Counts the L2 tables that lie in a window of their own, and all that they lead to; each is read once, however many L1 tables lead there. */
  async #addL2Tables(roots: Roots, from: number, signal?: AbortSignal): Promise<void> {
    const { geometry } = this.#image;
    const length = Math.min(windowClusters, this.#fileClusters - from);
    const references = new Uint32Array(length);
    for (const l1 of [roots.active, ...roots.snapshots]) {
      const isActive = l1 === roots.active;
      for await (const { bytes, offset } of tableParts(this.#image, l1.l1TableOffset, l1.l1Size * 8)) {
        signal?.throwIfAborted();
        for (let at = 0; at < bytes.length; at += 8) {
          const table = entryOffset(bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4));
          if (table === 0 || !this.#isCluster(table, 'L1 table entry', offset + at)) {
            continue;
          }
          const index = table / geometry.clusterSize - from;
          if (index >= 0 && index < length) {
            if (isActive && references[index] !== 0) {
              this.#entryFaults?.broken('L1 table entry', `Two entries lead to the L2 table at byte ${table}.`);
            }
            references[index] = (references[index] ?? 0) + 1;
          }
        }
      }
    }
    for (let index = 0; index < length; index++) {
      const count = references[index] ?? 0;
      if (count > 0) {
        signal?.throwIfAborted();
        const table = (from + index) * geometry.clusterSize;
        this.#addTable(table, geometry.clusterSize, 'L2 table', count);
        await this.#addL2Table(table, count);
      }
    }
  }

  async #addL2Table(table: number, count: number): Promise<void> {
    const { geometry, path } = this.#image;
    for await (const { bytes, offset } of tableParts(this.#image, table, geometry.clusterSize)) {
      for (let at = 0; at < bytes.length; at += geometry.l2EntryBytes) {
        if (this.#faults?.isSettled() === true) {
          return;
        }
        if (bytes.readUInt32BE(at) === 0 && bytes.readUInt32BE(at + 4) === 0 && !geometry.hasSubclusters) {
          continue;
        }
        let entry;
        try {
          entry = readL2Entry(bytes, at, geometry, path);
        } catch (error) {
          if (!(error instanceof CheckpointError)) {
            throw error;
          }
          this.#entryFaults?.broken(String(error.data['field']), error.message);
          continue;
        }
        if (!entry.isAllocated || geometry.hasExternalDataFile) {
          continue;
        }
        if (entry.isCompressed) {
          const clusters = compressedClusters(entry, geometry.clusterSize);
          if (this.#isCluster(clusters.offset, 'L2 table entry', offset + at)) {
            this.#addData(clusters.offset, clusters.count, count);
          }
        } else if (this.#isCluster(entry.hostOffset, 'L2 table entry', offset + at)) {
          this.#addData(entry.hostOffset, 1, count);
        }
      }
    }
  }

  #isCluster(offset: number, field: string, entryAt: number): boolean {
    const isOne = offset % this.#image.geometry.clusterSize === 0 && offset < this.#image.sizeBytes;
    if (!isOne) {
      this.#entryFaults?.broken(
        field,
        `The entry at byte ${entryAt} leads to byte ${offset}, where no cluster of the file is.`,
      );
    }
    return isOne;
  }

  #addTable(offset: number, length: number, what: string, count = 1): void {
    const { clusterSize } = this.#image.geometry;
    const last = Math.min(Math.ceil((offset + length) / clusterSize), this.from + this.counts.length);
    for (let cluster = Math.max(Math.floor(offset / clusterSize), this.from); cluster < last; cluster++) {
      const index = cluster - this.from;
      if (this.#tables[index] === 1) {
        this.#faults?.broken(
          what,
          `The ${what} at byte ${offset} overlaps another table at byte ${cluster * clusterSize}.`,
        );
      }
      this.#tables[index] = 1;
      this.counts[index] = (this.counts[index] ?? 0) + count;
    }
  }

  #addData(offset: number, clusters: number, count: number): void {
    const { clusterSize } = this.#image.geometry;
    const first = offset / clusterSize;
    for (let cluster = first; cluster < first + clusters; cluster++) {
      const index = cluster - this.from;
      if (index >= 0 && index < this.counts.length) {
        if (this.#tables[index] === 1) {
          this.#faults?.broken('L2 table entry', `An entry leads to byte ${cluster * clusterSize}, where a table is.`);
        }
        this.counts[index] = (this.counts[index] ?? 0) + count;
      }
    }
  }
}
