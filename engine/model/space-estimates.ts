import type { DiskFormat } from './machine.ts';
import { freedBy, mergesAfter, type LayerTree, type MergeRun } from './space.ts';

/** What an operation needs, before it is begun. Each number is a bound from above. */
export interface SpaceEstimate {
  /** What the volume must have free: the most that is there at any instant more than before. */
  peakBytes: number;
  /** Of that, what stays when all is done. */
  lastingBytes: number;
  /** Content that is read and written again, for the time that it takes. */
  movedBytes: number;
}

/** Saved memory also holds the devices, video memory and firmware, and a header for each page (QEMU's migration stream). */
const devicesBytes = 64 * 1024 * 1024;
const memoryOverhead = 1 / 64;

/** A checkpoint's manifest, the journal, Now and what else is written anew, each in blocks of its own. */
export const recordsBytes = 64 * 1024;

/** A disk that gets a layer. */
export interface NewLayer {
  format: DiskFormat;
  virtualSizeBytes: number;
}

/** An empty layer: headers, and the tables that are as long as the disk asks for. */
export function emptyLayerBytes({ format, virtualSizeBytes }: NewLayer): number {
  switch (format) {
    case 'qcow2':
      // Header, refcounts and L1 table in clusters of 64 KiB; an L1 entry covers 512 MiB.
      return 384 * 1024 + Math.ceil(virtualSizeBytes / 2 ** 25);
    case 'vhdx':
      // Headers, regions and log in steps of 1 MiB; a table entry covers at least 1 MiB.
      return 5 * 2 ** 20 + Math.ceil(virtualSizeBytes / 2 ** 17);
    case 'vhd':
      // A table entry covers 512 KiB or more.
      return 64 * 1024 + Math.ceil(virtualSizeBytes / 2 ** 17);
    case 'raw':
    case 'vmdk':
      return 2 ** 20 + Math.ceil(virtualSizeBytes / 2 ** 13);
  }
}

/** @param memoryBytes of the guest */
export function savedMemoryBytes(memoryBytes: number): number {
  return memoryBytes + Math.ceil(memoryBytes * memoryOverhead) + devicesBytes;
}

/**
 * A delete with all merges that it makes possible, one after the other. What goes whole goes before that. What it frees,
 * {@link freedBy} tells.
 */
export function estimateDelete(tree: LayerTree, deleted: ReadonlySet<string>): SpaceEstimate {
  const merges = mergesAfter(tree, deleted).flatMap(pairwiseMerges);
  const goneWhole = freedBy(
    { ...tree, layers: tree.layers.map((layer) => ({ ...layer, virtualSizeBytes: Infinity })) },
    deleted,
  );
  return {
    peakBytes: Math.max(0, Math.max(0, ...merges.map(({ growsBytes }) => growsBytes)) - goneWhole.leastBytes),
    lastingBytes: 0,
    movedBytes: merges.reduce((total, { movedBytes }) => total + movedBytes, 0),
  };
}

/** One disk as a copy of it is made. */
export interface FlatCopy extends NewLayer {
  /** Content that some layer stores. */
  dataBytes: number;
  /** Every byte of the disk is stored, whatever it holds. */
  isFixed?: boolean;
}

/** One image that needs no other: its content, or the whole disk, and the tables of its format. */
export function flatCopyBytes({ dataBytes, isFixed, ...layer }: FlatCopy): number {
  const { virtualSizeBytes } = layer;
  const content = isFixed === true ? virtualSizeBytes : Math.min(dataBytes, virtualSizeBytes);
  // An L2 table of qcow2 takes 64 KiB and covers 512 MiB; refcounts and sector bitmaps take less.
  return (
    content + Math.ceil(content / 2 ** 12) + emptyLayerBytes(layer) + Math.ceil(virtualSizeBytes / 2 ** 29) * 2 ** 16
  );
}

/** What each merge of a run moves at most, going up, and by how much a file grows by it: always the larger one. */
function pairwiseMerges(run: MergeRun): { movedBytes: number; growsBytes: number }[] {
  const [bottom, ...above] = run;
  const merges: { movedBytes: number; growsBytes: number }[] = [];
  let merged = bottom?.allocatedBytes ?? 0;
  for (const { allocatedBytes, virtualSizeBytes } of above) {
    const movedBytes = Math.min(merged, allocatedBytes);
    const larger = Math.max(merged, allocatedBytes);
    const after = Math.max(larger, Math.min(merged + allocatedBytes, virtualSizeBytes));
    merges.push({ movedBytes, growsBytes: after - larger });
    merged = after;
  }
  return merges;
}
