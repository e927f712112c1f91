import { mergesAfter, type LayerTree, type MergeRun } from './space.ts';

/** What an operation needs, before it is begun. Each number is a bound from above. */
export interface SpaceEstimate {
  /** What the volume must have free: the most that is there at any instant more than before. */
  peakBytes: number;
  /** Of that, what stays when all is done. */
  lastingBytes: number;
  /** Content that is read and written again, for the time that it takes. */
  movedBytes: number;
}

/** An empty layer of any format with its table for a large disk, and the records of a checkpoint. */
const emptyLayerBytes = 8 * 1024 * 1024;

/** Saved memory also holds the devices, video memory and firmware, and a header for each page (QEMU's migration stream). */
const devicesBytes = 64 * 1024 * 1024;
const memoryOverhead = 1 / 64;

/**
 * A take: empty layers on top, and saved memory.
 * @param memoryBytes of the guest; absent for disks only
 */
export function estimateTake(diskCount: number, memoryBytes?: number): SpaceEstimate {
  return lasting(diskCount * emptyLayerBytes + savedMemoryBytes(memoryBytes));
}

/**
 * An apply: empty layers, and the memory of what is kept of Now.
 * @param keptMemoryBytes of the guest that runs at present; absent when it is stopped, or when Now is discarded
 */
export function estimateApply(diskCount: number, keptMemoryBytes?: number): SpaceEstimate {
  return lasting(diskCount * emptyLayerBytes + savedMemoryBytes(keptMemoryBytes));
}

/** A delete with all merges that it makes possible, one after the other. What it frees, {@link freedBy} tells. */
export function estimateDelete(tree: LayerTree, deleted: ReadonlySet<string>): SpaceEstimate {
  const merges = mergesAfter(tree, deleted).flatMap(pairwiseMerges);
  return {
    peakBytes: Math.max(0, ...merges),
    lastingBytes: 0,
    movedBytes: merges.reduce((total, bytes) => total + bytes, 0),
  };
}

/** One disk's chain as a copy of it reads it. */
export interface CopiedChain {
  /** Of each layer, an image outside the folder included. */
  allocatedBytes: readonly number[];
  virtualSizeBytes: number;
}

/**
 * An export, on the volume that it goes to.
 * @param isFlat one image a disk instead of a chain
 * @param memoryFileBytes saved memory that goes with it
 */
export function estimateExport(chains: readonly CopiedChain[], isFlat: boolean, memoryFileBytes = 0): SpaceEstimate {
  const copied = chains.map((chain) => (isFlat ? flatBytes(chain) : chainBytes(chain)));
  const bytes = copied.reduce((total, one) => total + one, memoryFileBytes);
  return { peakBytes: bytes, lastingBytes: bytes, movedBytes: bytes };
}

/** Layers without parents, made beside those that there are. */
export function estimateFlatten(chains: readonly CopiedChain[]): SpaceEstimate {
  return estimateExport(chains, true);
}

function chainBytes({ allocatedBytes }: CopiedChain): number {
  return allocatedBytes.reduce((total, one) => total + one, 0);
}

/** A disk that is full takes its length, and the tables of its format. */
function flatBytes(chain: CopiedChain): number {
  return Math.min(chainBytes(chain), chain.virtualSizeBytes) + emptyLayerBytes;
}

/** Bytes that each merge of a run moves at most, going up: always those of the smaller file. */
function pairwiseMerges(run: MergeRun): number[] {
  const [bottom, ...above] = run;
  const moved: number[] = [];
  let merged = bottom?.allocatedBytes ?? 0;
  for (const { allocatedBytes, virtualSizeBytes } of above) {
    moved.push(Math.min(merged, allocatedBytes));
    merged = Math.max(merged, allocatedBytes, Math.min(merged + allocatedBytes, virtualSizeBytes));
  }
  return moved;
}

function savedMemoryBytes(memoryBytes: number | undefined): number {
  return memoryBytes === undefined ? 0 : memoryBytes + Math.ceil(memoryBytes * memoryOverhead) + devicesBytes;
}

function lasting(bytes: number): SpaceEstimate {
  return { peakBytes: bytes, lastingBytes: bytes, movedBytes: 0 };
}
