import type { DiskFormat } from '../../model/machine.ts';
import { ChainMap } from '../chain-map.ts';
import type { OpenChain } from '../chain-of-layers.ts';
import type { LongCall } from '../disk.ts';
import { SnapshotView } from '../snapshot-view.ts';
import { openChain, type OpenImage } from '../open-chain.ts';
import { isZero } from '../zero-content.ts';

/** A range of the disk, in bytes. */
export interface DifferingRange {
  offset: number;
  length: number;
}

export interface CompareOptions extends LongCall, Omit<OpenImage, 'format'> {
  /** What the caller says the first and the second disk are. */
  formatOfA?: DiskFormat;
  formatOfB?: DiskFormat;
  /** Each range that differs, in order, neighbours joined, to whole sectors of 512 bytes. There may be very many. */
  onDifference?: (range: DifferingRange) => void;
}

export interface CompareResult {
  /** Both hold the same; beyond the shorter one's end zeros count as the same. */
  isSame: boolean;
  differingBytes: number;
  differingRanges: number;
  virtualSizeBytes: { a: number; b: number };
  /** Bytes that had to be looked at, on both disks together. */
  readBytes: number;
}

/** Where two disks, or two points of one chain, differ. What both have from the same layer is not read. */
export async function compare(a: string, b: string, options: CompareOptions = {}): Promise<CompareResult> {
  const { formatOfA, formatOfB, snapshot, ...common } = options;
  const chainA = await openChain(a, {
    ...common,
    ...(formatOfA === undefined ? {} : { format: formatOfA }),
    ...(snapshot === undefined ? {} : { snapshot }),
  });
  try {
    const chainB = await openChain(b, { ...common, ...(formatOfB === undefined ? {} : { format: formatOfB }) });
    try {
      return await compareChains(chainA, chainB, options);
    } finally {
      await chainB.close();
    }
  } finally {
    await chainA.close();
  }
}

const pieceBytes = 1 << 20;
const piecesInFlight = 3;
const sectorBytes = 512;
/** Ranges that differ are narrowed down in two steps, or the comparing of sectors would take longer than the reading. */
const coarseBytes = 64 * 1024;

interface Suspect {
  offset: number;
  length: number;
  /** False where a disk is known to be zero, or ends. */
  readsA: boolean;
  readsB: boolean;
}

/** What is read of both disks. */
interface Pair {
  a: Buffer;
  b: Buffer;
}

/** As {@link compare}, of open chains. */
export async function compareChains(
  a: OpenChain,
  b: OpenChain,
  options: Pick<CompareOptions, 'signal' | 'onProgress' | 'onDifference'> = {},
): Promise<CompareResult> {
  const totalBytes = Math.max(a.top.virtualSizeBytes, b.top.virtualSizeBytes);
  const differences = new Differences(options.onDifference);
  const pairs: Pair[] = Array.from({ length: piecesInFlight }, () => ({
    a: Buffer.allocUnsafeSlow(pieceBytes),
    b: Buffer.allocUnsafeSlow(pieceBytes),
  }));
  let readBytes = 0;
  const look = async (suspect: Suspect, pair: Pair): Promise<DifferingRange[]> => {
    const { offset, length } = suspect;
    const contentA = pair.a.subarray(0, length);
    const contentB = pair.b.subarray(0, length);
    readBytes += (suspect.readsA ? length : 0) + (suspect.readsB ? length : 0);
    await Promise.all([
      suspect.readsA ? a.top.read(contentA, offset) : undefined,
      suspect.readsB ? b.top.read(contentB, offset) : undefined,
    ]);
    const isSame = (from: number, to: number): boolean =>
      !suspect.readsA
        ? isZero(contentB, from, to)
        : !suspect.readsB
          ? isZero(contentA, from, to)
          : contentA.compare(contentB, from, to, from, to) === 0;
    return narrowedDown(length, isSame).map((range) => ({ ...range, offset: offset + range.offset }));
  };

  // In order, so that what differs is reported in order.
  const running: { end: number; result: Promise<DifferingRange[]>; pair: Pair }[] = [];
  const finishOldest = async (): Promise<void> => {
    const oldest = running.shift();
    if (oldest !== undefined) {
      (await oldest.result).forEach((range) => differences.add(range));
      pairs.push(oldest.pair);
      options.onProgress?.(oldest.end, totalBytes);
    }
  };
  try {
    for await (const suspect of pieces(suspects(a, b, totalBytes, options.signal))) {
      options.signal?.throwIfAborted();
      while (pairs.length === 0) {
        await finishOldest();
      }
      const pair = pairs.pop();
      if (pair !== undefined) {
        const result = look(suspect, pair);
        // Awaited in its turn; until then nobody is to call it unhandled.
        result.catch(() => undefined);
        running.push({ end: suspect.offset + suspect.length, result, pair });
      }
    }
    while (running.length > 0) {
      await finishOldest();
    }
  } finally {
    await Promise.allSettled(running.map(({ result }) => result));
  }
  const { bytes, ranges } = differences.finish();
  options.onProgress?.(totalBytes, totalBytes);
  return {
    isSame: bytes === 0,
    differingBytes: bytes,
    differingRanges: ranges,
    virtualSizeBytes: { a: a.top.virtualSizeBytes, b: b.top.virtualSizeBytes },
    readBytes,
  };
}

/** Ranges that the maps alone do not show to be the same. */
async function* suspects(
  a: OpenChain,
  b: OpenChain,
  totalBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Suspect> {
  const sharedCount = countShared(a, b);
  const shared = a.layers.slice(a.layers.length - sharedCount);
  const sharedMap = new ChainMap(shared, signal);
  const ownA = new OwnMap(a, sharedCount, shared[0]?.virtualSizeBytes ?? 0, signal);
  const ownB = new OwnMap(b, sharedCount, shared[0]?.virtualSizeBytes ?? 0, signal);
  for (let at = 0; at < totalBytes;) {
    const ofA = await ownA.at(at);
    const ofB = await ownB.at(at);
    let end = Math.min(ofA.end, ofB.end, totalBytes);
    if (ofA.kind !== ofB.kind || ofA.kind === 'data') {
      let sharedKind: 'data' | 'zero' = 'zero';
      if (ofA.kind === 'shared' || ofB.kind === 'shared') {
        const extent = await sharedMap.at(at);
        sharedKind = extent.state === 'data' ? 'data' : 'zero';
        end = Math.min(end, at + extent.length);
      }
      const readsA = (ofA.kind === 'shared' ? sharedKind : ofA.kind) === 'data';
      const readsB = (ofB.kind === 'shared' ? sharedKind : ofB.kind) === 'data';
      if (readsA || readsB) {
        yield { offset: at, length: end - at, readsA, readsB };
      }
    }
    at = end;
  }
}

/** Layers that both chains end with, counted from the base. */
function countShared(a: OpenChain, b: OpenChain): number {
  let count = 0;
  while (count < Math.min(a.layers.length, b.layers.length)) {
    const ofA = a.layers[a.layers.length - 1 - count];
    const ofB = b.layers[b.layers.length - 1 - count];
    if (ofA === undefined || ofA.file.path !== ofB?.file.path || ofA instanceof SnapshotView) {
      break;
    }
    count++;
  }
  return count;
}

/** What the layers above the shared ones say. */
class OwnMap {
  readonly #map: ChainMap;
  readonly #sizeBytes: number;
  readonly #sharedBytes: number;

  constructor(chain: OpenChain, sharedCount: number, sharedBytes: number, signal: AbortSignal | undefined) {
    this.#map = chain.map({ depth: chain.layers.length - sharedCount, signal });
    this.#sizeBytes = chain.top.virtualSizeBytes;
    this.#sharedBytes = sharedBytes;
  }

  async at(offset: number): Promise<{ kind: 'data' | 'zero' | 'shared'; end: number }> {
    if (offset >= this.#sizeBytes) {
      return { kind: 'zero', end: Infinity };
    }
    const extent = await this.#map.at(offset);
    const end = Math.min(offset + extent.length, this.#sizeBytes);
    if (extent.state !== 'parent') {
      return { kind: extent.state, end };
    }
    // Beyond the end of the shared layers, or where there are none, is nothing.
    return offset < this.#sharedBytes
      ? { kind: 'shared', end: Math.min(end, this.#sharedBytes) }
      : { kind: 'zero', end };
  }
}

/** Cuts and joins suspects to pieces that are worth a read. */
async function* pieces(all: AsyncIterable<Suspect>): AsyncGenerator<Suspect> {
  let pending: Suspect | undefined;
  for await (const next of all) {
    const last = pending;
    const isJoined =
      last?.readsA === next.readsA &&
      last.readsB === next.readsB &&
      last.offset + last.length === next.offset &&
      last.length < pieceBytes;
    if (last !== undefined && isJoined) {
      last.length += next.length;
    } else {
      if (last !== undefined) {
        yield* cut(last);
      }
      pending = { ...next };
    }
  }
  if (pending !== undefined) {
    yield* cut(pending);
  }
}

function* cut(suspect: Suspect): Generator<Suspect> {
  const end = suspect.offset + suspect.length;
  for (let at = suspect.offset; at < end;) {
    const pieceEnd = Math.min(end, at - (at % pieceBytes) + pieceBytes);
    yield { ...suspect, offset: at, length: pieceEnd - at };
    at = pieceEnd;
  }
}

function narrowedDown(length: number, isSame: (from: number, to: number) => boolean): DifferingRange[] {
  const found: DifferingRange[] = [];
  if (isSame(0, length)) {
    return found;
  }
  for (let coarse = 0; coarse < length; coarse += coarseBytes) {
    const coarseEnd = Math.min(coarse + coarseBytes, length);
    if (isSame(coarse, coarseEnd)) {
      continue;
    }
    for (let from = coarse; from < coarseEnd; from += sectorBytes) {
      const to = Math.min(from + sectorBytes, coarseEnd);
      if (!isSame(from, to)) {
        const last = found.at(-1);
        if (last !== undefined && last.offset + last.length === from) {
          last.length += to - from;
        } else {
          found.push({ offset: from, length: to - from });
        }
      }
    }
  }
  return found;
}

/** Joins what differs, and counts it. */
class Differences {
  readonly #report: ((range: DifferingRange) => void) | undefined;
  #pending: DifferingRange | undefined;
  #bytes = 0;
  #ranges = 0;

  constructor(report: ((range: DifferingRange) => void) | undefined) {
    this.#report = report;
  }

  add(range: DifferingRange): void {
    const last = this.#pending;
    if (last !== undefined && last.offset + last.length === range.offset) {
      last.length += range.length;
    } else {
      this.#end();
      this.#pending = range;
    }
    this.#bytes += range.length;
  }

  finish(): { bytes: number; ranges: number } {
    this.#end();
    return { bytes: this.#bytes, ranges: this.#ranges };
  }

  #end(): void {
    if (this.#pending !== undefined) {
      this.#ranges++;
      this.#report?.(this.#pending);
      this.#pending = undefined;
    }
  }
}
