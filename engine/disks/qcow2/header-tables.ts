import type { ClusterMap } from './cluster-map.ts';
import type { ImageFile } from './image-file.ts';
import type { Refcounts } from './refcounts.ts';

const copyBytes = 1024 * 1024;

/**
 * Puts the active L1 table into other clusters, longer if asked, and lets the header point there once it is on the disk.
 * To be called inside the image's mutex.
 * @param l1Size number of entries, at least as many as it has
 */
export async function replaceL1Table(
  image: ImageFile,
  refcounts: Refcounts,
  l1Size: number,
  virtualSizeBytes: number,
): Promise<void> {
  const { header } = image;
  const { clusterSize } = image.geometry;
  const clusters = Math.ceil((l1Size * 8) / clusterSize);
  const { offset } = await refcounts.allocateTogether(clusters);
  // The old table, and the new one's refcounts, are on the disk before anything points to the new one.
  await image.writeBack();
  const oldOffset = header.l1TableOffset;
  const oldClusters = Math.ceil((header.l1Size * 8) / clusterSize);
  const oldBytes = header.l1Size * 8;
  for (let done = 0; done < clusters * clusterSize; done += copyBytes) {
    const part = Buffer.alloc(Math.min(copyBytes, clusters * clusterSize - done));
    const inOld = Math.max(0, Math.min(part.length, oldBytes - done));
    await image.read(part.subarray(0, inOld), oldOffset + done);
    await image.write(part, offset + done);
  }
  image.cache.drop(offset, clusters * clusterSize);
  await image.sync();
  await image.writeHeader({ l1TableOffset: BigInt(offset), l1Size, size: BigInt(virtualSizeBytes) });
  header.l1TableOffset = offset;
  header.l1Size = l1Size;
  header.virtualSizeBytes = virtualSizeBytes;
  if (oldClusters > 0) {
    image.retire(oldOffset, oldClusters, false);
  }
}

/** Puts the refcount table into other clusters, as {@link replaceL1Table} does. */
export async function moveRefcountTable(image: ImageFile, refcounts: Refcounts): Promise<void> {
  const { header } = image;
  const { clusterSize } = image.geometry;
  const clusters = header.refcountTableClusters;
  const oldOffset = header.refcountTableOffset;
  const { offset } = await refcounts.allocateTogether(clusters);
  await image.writeBack();
  const table = Buffer.alloc(clusters * clusterSize);
  await image.read(table, oldOffset);
  await image.write(table, offset);
  image.cache.drop(offset, table.length);
  await image.sync();
  await refcounts.useTable(offset, clusters);
  image.retire(oldOffset, clusters, false);
}

/** Puts one L2 table elsewhere. To be called inside the image's mutex, with nothing of the table unwritten. */
export async function moveL2Table(
  image: ImageFile,
  map: ClusterMap,
  refcounts: Refcounts,
  l1At: number,
  table: number,
): Promise<void> {
  const { clusterSize } = image.geometry;
  const { offset } = await refcounts.allocate(1);
  if (offset > table) {
    await refcounts.release([{ offset, count: 1, punch: false }]);
    return;
  }
  const copy = Buffer.alloc(clusterSize);
  await image.read(copy, table);
  await image.write(copy, offset);
  image.cache.drop(offset, clusterSize);
  image.cache.drop(table, clusterSize);
  image.addTable(offset);
  let page;
  while ((page = image.cache.get(l1At)) === undefined) {
    await image.cache.load(l1At);
  }
  map.writeL1Entry(page, l1At - page.offset, offset);
  image.retire(table, 1, true);
}
