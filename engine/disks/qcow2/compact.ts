import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { LongCall } from '../disk.ts';
import { checkImage } from './check.ts';
import { moveL2Table, moveRefcountTable, replaceL1Table } from './header-tables.ts';
import { entryOffset, isCopiedEntry, readL2Entry, writeL2Entry } from './l2-table.ts';
import type { LayerParts } from './layer-parts.ts';
import { writeTableEntry } from './refcounts.ts';
import { tableParts } from './table-parts.ts';

const readBytes = 1024 * 1024;

/**
 * Gives space back: clusters that are all zero become zero clusters, what lies at the file's end moves to free clusters
 * before it, and the file ends where the last used cluster does. Each step leaves an image that a crash does not harm.
 * To be called while nobody changes the content.
 * @returns bytes
 */
export async function compactImage(layer: LayerParts, call: LongCall): Promise<number> {
  const { image, refcounts } = layer;
  const { clusterSize } = image.geometry;
  await layer.flush();
  const faults = await checkImage(image, refcounts, { ...callWithoutProgress(call), repair: true });
  const remaining = faults.find((fault) => fault.severity === 'error' && !fault.isRepaired);
  if (remaining !== undefined) {
    throw new CheckpointError(
      'ImageDamaged',
      `The disk ${image.path} is damaged: ${remaining.message} Repair it first.`,
      {
        path: image.path,
        field: remaining.field,
      },
    );
  }
  const sizeBefore = await image.file.size();
  const usedBefore = await usedClusters(layer, call);
  await eraseZeros(layer, call);
  await layer.flush();
  const used = await usedClusters(layer, call);
  await moveDown(layer, used, call);
  const end = await cutOff(layer, call);
  return Math.max(0, sizeBefore - end, (usedBefore - used) * clusterSize);
}

function callWithoutProgress({ signal }: LongCall): LongCall {
  return signal === undefined ? {} : { signal };
}

/** Makes zero clusters of those that hold nothing but zeros. */
async function eraseZeros(layer: LayerParts, { signal, onProgress }: LongCall): Promise<void> {
  const { clusterSize } = layer.image.geometry;
  const step = Math.max(readBytes, clusterSize);
  const buffer = Buffer.allocUnsafe(step);
  const zeros = Buffer.alloc(clusterSize);
  const size = layer.virtualSizeBytes;
  for await (const extent of layer.extents(0, size, signal)) {
    const end = extent.offset + extent.length;
    const firstWhole = Math.ceil(extent.offset / clusterSize) * clusterSize;
    for (let at = firstWhole; extent.state === 'data' && at < end; at += step) {
      signal?.throwIfAborted();
      const part = buffer.subarray(0, Math.min(step, end - at));
      await layer.reader.read(part, at);
      for (let from = 0; from < part.length; from += clusterSize) {
        const length = Math.min(clusterSize, part.length - from);
        const isWhole = length === clusterSize || at + from + length === size;
        if (isWhole && part.compare(zeros, 0, length, from, from + length) === 0) {
          await layer.eraser.erase(at + from, at + from + length, true, () => layer.flush());
        }
      }
    }
    onProgress?.(end, size);
  }
}

async function usedClusters(layer: LayerParts, { signal }: LongCall): Promise<number> {
  const { image, refcounts } = layer;
  const clusters = Math.ceil(image.sizeBytes / image.geometry.clusterSize);
  let used = 0;
  for (let cluster = 0; cluster < clusters; cluster++) {
    if (cluster % 65536 === 0) {
      signal?.throwIfAborted();
    }
    used += (await refcounts.refcount(cluster)) > 0 ? 1 : 0;
  }
  return used;
}

/** Moves what lies behind the place where the file could end into free clusters before it. */
async function moveDown(layer: LayerParts, used: number, call: LongCall): Promise<void> {
  const { image, map, refcounts } = layer;
  const { header, geometry } = image;
  const limit = used * geometry.clusterSize;
  for await (const l1 of tableParts(image, header.l1TableOffset, header.l1Size * 8)) {
    for (let at = 0; at < l1.bytes.length; at += 8) {
      call.signal?.throwIfAborted();
      const high = l1.bytes.readUInt32BE(at);
      const table = entryOffset(high, l1.bytes.readUInt32BE(at + 4));
      if (table === 0 || !isCopiedEntry(high)) {
        continue;
      }
      if (!geometry.hasExternalDataFile) {
        const cluster = ((l1.offset - header.l1TableOffset + at) / 8) * geometry.l2Coverage;
        await moveClusters(layer, cluster, limit);
      }
      if (table >= limit) {
        await layer.flush();
        await image.mutex.run(() => moveL2Table(image, map, refcounts, l1.offset + at, table));
      }
    }
  }
  await layer.flush();
  if (header.l1TableOffset >= limit) {
    await image.mutex.run(() => replaceL1Table(image, refcounts, header.l1Size, header.virtualSizeBytes));
    await layer.flush();
  }
  await moveRefcountBlocks(layer, limit);
  if (header.refcountTableOffset >= limit) {
    await image.mutex.run(() => moveRefcountTable(image, refcounts));
  }
  await layer.flush();
}

/** Moves the data clusters of one L2 table. */
async function moveClusters(layer: LayerParts, firstCluster: number, limit: number): Promise<void> {
  const { image, map, refcounts } = layer;
  const { geometry, path } = image;
  const content = Buffer.allocUnsafe(geometry.clusterSize);
  for (let index = 0; index < geometry.l2Entries; index++) {
    const cluster = firstCluster + index * geometry.clusterSize;
    // Most clusters stay: they are passed over without taking the mutex.
    const run = map.peek(cluster, geometry.l2Coverage - index * geometry.clusterSize);
    if (run !== undefined && run.kind === 'parent' && run.length >= geometry.clusterSize) {
      index += Math.floor(run.length / geometry.clusterSize) - 1;
      continue;
    }
    await image.mutex.run(async () => {
      const { page, at } = await map.writablePlace(cluster, refcounts);
      const entry = readL2Entry(page.bytes, at, geometry, path);
      if (entry.isCompressed || !entry.isAllocated || !entry.isCopied || entry.hostOffset < limit) {
        return;
      }
      const { offset } = await refcounts.allocate(1);
      if (offset > entry.hostOffset) {
        await refcounts.release([{ offset, count: 1, punch: false }]);
        return;
      }
      await image.read(content, entry.hostOffset);
      await image.write(content, offset);
      const place = await map.writablePlace(cluster, refcounts);
      writeL2Entry(place.page.bytes, place.at, { ...entry, hostOffset: offset }, geometry);
      image.cache.markDirty(place.page, place.at, geometry.l2EntryBytes, 'mapping');
      image.retire(entry.hostOffset, 1, true);
    });
    if (image.isPressed) {
      await layer.flush();
    }
  }
}

/** Moves refcount blocks; a block is copied whole once all that it says is on the disk. */
async function moveRefcountBlocks(layer: LayerParts, limit: number): Promise<void> {
  const { image, refcounts } = layer;
  const { header, geometry, cache } = image;
  for (let index = 0; index < refcounts.tableEntries; index++) {
    await image.mutex.run(async () => {
      const block = await refcounts.blockOffset(index * geometry.refcountBlockEntries);
      if (block === undefined || block < limit) {
        return;
      }
      const { offset } = await refcounts.allocate(1);
      if (offset > block) {
        await refcounts.release([{ offset, count: 1, punch: false }]);
        return;
      }
      await image.writeBack();
      const copy = Buffer.alloc(geometry.clusterSize);
      await image.read(copy, block);
      await image.write(copy, offset);
      await image.sync();
      cache.drop(offset, geometry.clusterSize);
      cache.drop(block, geometry.clusterSize);
      const entryAt = header.refcountTableOffset + index * 8;
      let page;
      while ((page = cache.get(entryAt)) === undefined) {
        await cache.load(entryAt);
      }
      writeTableEntry(page.bytes, entryAt - page.offset, offset);
      cache.markDirty(page, entryAt - page.offset, 8, 'refcountTable');
      await image.writeBack();
      image.retire(block, 1, false);
    });
  }
  await layer.flush();
}

/** Cuts off what lies behind the last used cluster. @returns the file's size in bytes */
async function cutOff(layer: LayerParts, call: LongCall): Promise<number> {
  const { image, refcounts } = layer;
  const { clusterSize } = image.geometry;
  return image.mutex.run(async () => {
    let end = Math.ceil(image.sizeBytes / clusterSize);
    for (; end > 1; end--) {
      if (end % 65536 === 0) {
        call.signal?.throwIfAborted();
      }
      if ((await refcounts.refcount(end - 1)) > 0) {
        break;
      }
    }
    await image.writeBack();
    if (end * clusterSize < (await image.file.size())) {
      await image.truncate(end * clusterSize);
    } else {
      return image.file.size();
    }
    await image.sync();
    return end * clusterSize;
  });
}
