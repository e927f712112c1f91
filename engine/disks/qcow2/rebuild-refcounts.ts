import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { ImageFile } from './image-file.ts';
import { ReferenceCount, windowClusters, type Roots } from './reference-count.ts';
import { writeTableEntry, type Refcounts } from './refcounts.ts';

/** Clusters whose refcounts are written at once. A multiple of 8, so that whole bytes are. */
const clustersAtOnce = 64 * 1024;
const longestTableBytes = 8 * 1024 * 1024;

/**
 * Writes all refcounts anew behind the file's end, and lets the header point there once they are on the disk. The tables
 * that they replace become free space. To be called inside the image's mutex, with nothing in memory that is not written.
 */
export async function rebuildRefcounts(
  image: ImageFile,
  refcounts: Refcounts,
  roots: Roots,
  signal?: AbortSignal,
): Promise<void> {
  const { clusterSize, refcountBlockEntries } = image.geometry;
  const first = Math.ceil(image.sizeBytes / clusterSize);
  const { blocks, tableClusters } = structureSize(first, refcountBlockEntries, clusterSize);
  if (tableClusters * clusterSize > Math.max(longestTableBytes, clusterSize)) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The refcounts of ${image.path} do not fit into one table. Convert it to an image with larger clusters.`,
      { path: image.path, field: 'refcount_table_clusters' },
    );
  }
  const end = first + blocks + tableClusters;
  const blocksOffset = first * clusterSize;
  for (let from = 0; from < end; from += windowClusters) {
    const count = new ReferenceCount(image, from, undefined);
    await count.run(roots, false, signal);
    const windowEnd = Math.min(end, from + windowClusters);
    for (let cluster = from; cluster < windowEnd; cluster += clustersAtOnce) {
      signal?.throwIfAborted();
      await writeCounts(cluster, Math.min(clustersAtOnce, windowEnd - cluster), count);
    }
  }
  const table = Buffer.alloc(tableClusters * clusterSize);
  for (let block = 0; block < blocks; block++) {
    writeTableEntry(table, block * 8, blocksOffset + block * clusterSize);
  }
  await image.write(table, blocksOffset + blocks * clusterSize);
  await image.sync();
  await refcounts.useTable(blocksOffset + blocks * clusterSize, tableClusters);
  image.cache.clear();
  refcounts.reset();

  async function writeCounts(from: number, clusters: number, count: ReferenceCount): Promise<void> {
    const part = Buffer.alloc(Math.ceil((clusters * image.geometry.refcountBits) / 8));
    for (let index = 0; index < clusters; index++) {
      const references = from + index >= first ? 1 : count.count(from + index);
      if (references > refcounts.width.most) {
        throw new CheckpointError(
          'ImageDamaged',
          `A cluster of ${image.path} is used ${references} times, more than its refcounts can say. Use a good copy of it.`,
          { path: image.path, field: 'refcount_order' },
        );
      }
      refcounts.width.write(part, index, references);
    }
    // Blocks follow each other in the file, so that counts of one after the other do too.
    await image.write(part, blocksOffset + Math.floor((from * image.geometry.refcountBits) / 8));
  }
}

/** Blocks and table clusters, so that they count all clusters before `first` and themselves. */
function structureSize(
  first: number,
  blockEntries: number,
  clusterSize: number,
): { blocks: number; tableClusters: number } {
  for (let blocks = 1; ;) {
    const tableClusters = Math.ceil((blocks * 8) / clusterSize);
    const needed = Math.ceil((first + blocks + tableClusters) / blockEntries);
    if (needed <= blocks) {
      return { blocks, tableClusters };
    }
    blocks = needed;
  }
}
