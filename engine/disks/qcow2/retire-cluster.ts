import type { ImageFile } from './image-file.ts';
import type { L2Entry } from './l2-table.ts';

/**
 * Takes the references away that an L2 entry held, once the entry that replaces it is on the disk.
 * @param punch whether the space is to be given back to the volume
 */
export function retireCluster(image: ImageFile, entry: L2Entry, punch: boolean): void {
  const { clusterSize, hasExternalDataFile } = image.geometry;
  if (!entry.isAllocated || hasExternalDataFile) {
    return;
  }
  if (!entry.isCompressed) {
    image.retire(entry.hostOffset, 1, punch);
    return;
  }
  const { offset, count } = compressedClusters(entry, clusterSize);
  image.retire(offset, count, punch);
}

/** The host clusters that a compressed cluster's sectors lie in; each of them counts it once. */
export function compressedClusters(
  entry: Pick<L2Entry, 'hostOffset' | 'compressedBytes'>,
  clusterSize: number,
): { offset: number; count: number } {
  const first = Math.floor(entry.hostOffset / clusterSize);
  const last = Math.floor((entry.hostOffset + entry.compressedBytes - 1) / clusterSize);
  return { offset: first * clusterSize, count: last - first + 1 };
}
