import type { Fault, LongCall } from '../disk.ts';
import { FaultList } from './fault-list.ts';
import { incompatible } from './header.ts';
import type { ImageFile } from './image-file.ts';
import { entryHigh, entryOffset, isCopiedEntry } from './l2-table.ts';
import { rebuildRefcounts } from './rebuild-refcounts.ts';
import { readRoots, ReferenceCount, windowClusters, type Roots } from './reference-count.ts';
import { readTableEntry, type Refcounts } from './refcounts.ts';
import { tableParts } from './table-parts.ts';

/** Clusters that are kept in mind at a time. */
const leaksAtOnce = 65536;

/**
 * Counts all references and compares them with the refcounts and the flags that depend on them. What is in memory has
 * been flushed. Repairs leaks, refcounts and flags; never where a table cannot be followed or overlaps another.
 */
export async function checkImage(
  image: ImageFile,
  refcounts: Refcounts,
  options: LongCall & { repair: boolean },
): Promise<Fault[]> {
  const faults = new FaultList(image.geometry.clusterSize);
  const roots = await readRoots(image, faults);
  const isDirty = (image.header.incompatibleFeatures & incompatible.dirty) !== 0n;
  if (isDirty) {
    faults.dirty();
  }
  if ((image.header.incompatibleFeatures & incompatible.corrupt) !== 0n) {
    faults.corrupt();
  }
  const fileClusters = Math.ceil(image.sizeBytes / image.geometry.clusterSize);
  for (let from = 0; from < fileClusters && !faults.isSettled(); from += windowClusters) {
    const count = new ReferenceCount(image, from, faults);
    await count.run(roots, true, options.signal);
    if (faults.isSettled()) {
      break;
    }
    await compareRefcounts(image, refcounts, count, faults, options.signal);
    await compareFlags(image, roots, count, faults, false, options.signal);
    options.onProgress?.(Math.min(fileClusters, from + windowClusters), fileClusters);
  }
  if (!faults.isBroken) {
    await findLeaksBehindEnd(image, refcounts, fileClusters, (cluster) => {
      faults.leak(cluster);
      return !faults.isFull;
    });
  }
  faults.finish();

  if (options.repair && !faults.isBroken && faults.faults.length > 0) {
    await image.mutex.run(() => repair(image, refcounts, roots, faults, options.signal));
    if (isDirty) {
      const incompatibleFeatures = image.header.incompatibleFeatures & ~incompatible.dirty;
      await image.writeHeader({ incompatibleFeatures });
      image.header.incompatibleFeatures = incompatibleFeatures;
    }
    faults.markRepaired();
  }
  return faults.faults;
}

async function compareRefcounts(
  image: ImageFile,
  refcounts: Refcounts,
  count: ReferenceCount,
  faults: FaultList,
  signal?: AbortSignal,
): Promise<void> {
  const end = count.from + count.counts.length;
  for (let cluster = count.from; cluster < end;) {
    signal?.throwIfAborted();
    const stored = await storedRefcounts(image, refcounts, cluster, end);
    for (let index = 0; index < stored.count; index++, cluster++) {
      const counted = count.count(cluster);
      const found = stored.block === undefined ? 0 : refcounts.width.read(stored.block, stored.index + index);
      if (found < counted) {
        faults.wrongRefcount(cluster, found, counted);
      } else if (found > counted) {
        faults.leak(cluster);
      }
    }
  }
}

/** Refcounts from a cluster on, so many as one part of a block holds. */
async function storedRefcounts(
  image: ImageFile,
  refcounts: Refcounts,
  cluster: number,
  end: number,
): Promise<{ block: Buffer | undefined; index: number; count: number }> {
  const { refcountBlockEntries, refcountBits } = image.geometry;
  const { pageBytes } = image.cache;
  const perPart = (pageBytes * 8) / refcountBits;
  const inBlock = cluster % refcountBlockEntries;
  const index = inBlock % perPart;
  const count = Math.min(perPart - index, end - cluster);
  let offset;
  try {
    offset = await refcounts.blockOffset(cluster);
  } catch {
    // That its table entry cannot be followed is in the list already.
  }
  if (offset === undefined) {
    return { block: undefined, index, count };
  }
  const block = Buffer.allocUnsafe(pageBytes);
  await image.read(block, offset + Math.floor(inBlock / perPart) * pageBytes);
  return { block, index, count };
}

/** Clusters that are counted as used where the file has ended. Stops when `onLeak` gives false. */
async function findLeaksBehindEnd(
  image: ImageFile,
  refcounts: Refcounts,
  fileClusters: number,
  onLeak: (cluster: number) => boolean,
): Promise<void> {
  const { refcountBlockEntries } = image.geometry;
  const { header } = image;
  const tableBytes = header.refcountTableClusters * image.geometry.clusterSize;
  for await (const { bytes, offset } of tableParts(image, header.refcountTableOffset, tableBytes)) {
    for (let at = 0; at < bytes.length; at += 8) {
      const first = ((offset - header.refcountTableOffset + at) / 8) * refcountBlockEntries;
      const end = first + refcountBlockEntries;
      if (readTableEntry(bytes, at) === 0 || end <= fileClusters) {
        continue;
      }
      for (let cluster = Math.max(first, fileClusters); cluster < end;) {
        const { block, index, count } = await storedRefcounts(image, refcounts, cluster, end);
        // Most of it is empty, and a block may have millions of entries.
        let entry = block === undefined ? index + count : refcounts.width.firstUsed(block, index, index + count);
        while (block !== undefined && entry < index + count) {
          if (!onLeak(cluster + entry - index)) {
            return;
          }
          entry = refcounts.width.firstUsed(block, entry + 1, index + count);
        }
        cluster += count;
      }
    }
  }
}

/** Bit 63 of the entries that lead into the window: set exactly when the refcount is one. */
async function compareFlags(
  image: ImageFile,
  roots: Roots,
  count: ReferenceCount,
  faults: FaultList,
  correct: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const { clusterSize } = image.geometry;
  const end = count.from + count.counts.length;
  const isHere = (offset: number): boolean => offset >= count.from * clusterSize && offset < end * clusterSize;
  const check = async (entryAt: number, high: number, target: number, table: string): Promise<void> => {
    const refcount = count.count(target / clusterSize);
    if (!isHere(target) || target % clusterSize !== 0 || isCopiedEntry(high) === (refcount === 1)) {
      return;
    }
    faults.wrongFlag(table, target, refcount);
    if (correct) {
      await setFlag(image, entryAt, target, refcount === 1);
    }
  };
  const { l1TableOffset, l1Size } = roots.active;
  for await (const l1 of tableParts(image, l1TableOffset, l1Size * 8)) {
    for (let at = 0; at < l1.bytes.length; at += 8) {
      const high = l1.bytes.readUInt32BE(at);
      const table = entryOffset(high, l1.bytes.readUInt32BE(at + 4));
      if (table === 0 || table % clusterSize !== 0 || table >= image.sizeBytes) {
        continue;
      }
      signal?.throwIfAborted();
      await check(l1.offset + at, high, table, 'L1 table');
      if (!image.geometry.hasExternalDataFile) {
        await compareL2Flags(image, table, check);
      }
    }
  }
}

async function compareL2Flags(
  image: ImageFile,
  table: number,
  check: (entryAt: number, high: number, target: number, table: string) => Promise<void>,
): Promise<void> {
  const { geometry } = image;
  for await (const l2 of tableParts(image, table, geometry.clusterSize)) {
    for (let at = 0; at < l2.bytes.length; at += geometry.l2EntryBytes) {
      const high = l2.bytes.readUInt32BE(at);
      const target = entryOffset(high, l2.bytes.readUInt32BE(at + 4));
      const isStandard = (high & 0x40000000) === 0;
      if (isStandard && target !== 0) {
        await check(l2.offset + at, high, target, 'L2 table');
      }
    }
  }
}

async function setFlag(image: ImageFile, entryAt: number, target: number, isCopied: boolean): Promise<void> {
  let page;
  while ((page = image.cache.get(entryAt)) === undefined) {
    await image.cache.load(entryAt);
  }
  page.bytes.writeUInt32BE(entryHigh(target, isCopied), entryAt - page.offset);
  image.cache.markDirty(page, entryAt - page.offset, 4, 'mapping');
}

async function repair(
  image: ImageFile,
  refcounts: Refcounts,
  roots: Roots,
  faults: FaultList,
  signal?: AbortSignal,
): Promise<void> {
  if (faults.hasWrongRefcounts) {
    await rebuildRefcounts(image, refcounts, roots, signal);
  } else if (faults.hasLeaks) {
    await lowerRefcounts(image, refcounts, roots, signal);
  }
  if (faults.hasWrongFlags) {
    const fileClusters = Math.ceil(image.sizeBytes / image.geometry.clusterSize);
    for (let from = 0; from < fileClusters; from += windowClusters) {
      const count = new ReferenceCount(image, from, undefined);
      await count.run(roots, true, signal);
      await compareFlags(image, roots, count, new FaultList(image.geometry.clusterSize), true, signal);
      await image.writeBack();
    }
  }
}

/** Gives clusters free that nothing uses. Harmless at whatever point it is interrupted. */
async function lowerRefcounts(
  image: ImageFile,
  refcounts: Refcounts,
  roots: Roots,
  signal?: AbortSignal,
): Promise<void> {
  const { clusterSize } = image.geometry;
  const fileClusters = Math.ceil(image.sizeBytes / clusterSize);
  for (let from = 0; from < fileClusters; from += windowClusters) {
    const count = new ReferenceCount(image, from, undefined);
    await count.run(roots, true, signal);
    for (let cluster = from; cluster < from + count.counts.length; cluster++) {
      await lower(cluster, count.count(cluster));
    }
  }
  await image.writeBack();
  const behind: number[] = [];
  do {
    behind.length = 0;
    await findLeaksBehindEnd(image, refcounts, fileClusters, (cluster) => behind.push(cluster) < leaksAtOnce);
    for (const cluster of behind) {
      await lower(cluster, 0);
    }
    await image.writeBack();
  } while (behind.length >= leaksAtOnce);

  async function lower(cluster: number, counted: number): Promise<void> {
    if ((await refcounts.refcount(cluster)) > counted) {
      await refcounts.set(cluster, counted);
      if (image.isPressed) {
        await image.writeBack();
      }
    }
  }
}
