import type { LongCall } from './disk.ts';
import { splitByZeros } from './zero-content.ts';

/** A range to be moved from one disk to another, in bytes. */
export interface TransferRange {
  offset: number;
  length: number;
  /** `zero` is not read; a `skip` only counts as progress. */
  kind: 'data' | 'zero' | 'skip';
}

/** Where a transfer reads and writes. Disks have these. */
export interface TransferEnds {
  read(buffer: Buffer, offset: number): Promise<void>;
  write(buffer: Buffer, offset: number): Promise<void>;
  /** What becomes of zeros, known or found. */
  zero(offset: number, length: number): Promise<void>;
  /**
   * Begins to make durable what was written so far, while the rest is still being moved. Not needed for anything but
   * speed: the volume works meanwhile, and the flush at the end finds little left to do.
   */
  sync?(): Promise<void>;
}

export interface TransferOptions extends LongCall {
  /** For progress. */
  totalBytes: number;
  /** Looks for zeros in the data, in grains of this many bytes, so that they are not stored. */
  zeroGrainBytes?: number;
  /** Writes begin in the order of their offsets, each after the one before it has ended (stream-optimised formats). */
  inOrder?: boolean;
}

/** Bytes of one read; ranges are cut at multiples of it, so that blocks and clusters are written whole. */
const pieceBytes = 2 << 20;
const piecesInFlight = 4;
/** Bytes written until the volume is set to work. */
const syncEveryBytes = 64 * 1024 * 1024;

/** Moves ranges with a few reads and writes in flight, out of buffers that are used again and again. */
export async function transfer(
  ranges: AsyncIterable<TransferRange>,
  ends: TransferEnds,
  options: TransferOptions,
): Promise<void> {
  const buffers = Array.from({ length: piecesInFlight }, () => Buffer.allocUnsafeSlow(pieceBytes));
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  let lastWrite: Promise<void> = Promise.resolve();
  let doneTo = 0;

  let unsyncedBytes = 0;
  let isSyncing = false;

  /** One at a time, beside the rest; what goes wrong shows in the flush at the end. */
  const syncSometimes = (bytes: number): void => {
    unsyncedBytes += bytes;
    if (ends.sync !== undefined && unsyncedBytes >= syncEveryBytes && !isSyncing) {
      unsyncedBytes = 0;
      isSyncing = true;
      const task: Promise<void> = ends
        .sync()
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => {
          isSyncing = false;
          running.delete(task);
        });
      running.add(task);
    }
  };

  const begin = (end: number, work: () => Promise<void>): void => {
    const task: Promise<void> = work()
      .then(
        () => {
          doneTo = Math.max(doneTo, end);
          options.onProgress?.(doneTo, options.totalBytes);
        },
        (error: unknown) => {
          failure ??= { error };
        },
      )
      .finally(() => running.delete(task));
    running.add(task);
  };

  const move = async (buffer: Buffer, offset: number): Promise<void> => {
    await ends.read(buffer, offset);
    await writeParts(buffer, offset, ends, options.zeroGrainBytes);
    syncSometimes(buffer.length);
  };

  const moveInOrder = async (buffer: Buffer, offset: number): Promise<void> => {
    const before = lastWrite;
    let written = (): void => undefined;
    lastWrite = new Promise((resolve) => (written = resolve));
    try {
      await ends.read(buffer, offset);
      await before;
      await writeParts(buffer, offset, ends, options.zeroGrainBytes);
    } finally {
      written();
    }
  };

  try {
    for await (const range of joined(ranges)) {
      const end = range.offset + range.length;
      if (range.kind === 'skip') {
        doneTo = Math.max(doneTo, end);
        options.onProgress?.(doneTo, options.totalBytes);
        continue;
      }
      for (let at = range.offset; at < end && failure === undefined;) {
        options.signal?.throwIfAborted();
        if (range.kind === 'zero') {
          await atMost(running, piecesInFlight - 1);
          begin(end, () => ends.zero(range.offset, range.length));
          break;
        }
        const pieceEnd = Math.min(end, at - (at % pieceBytes) + pieceBytes);
        const buffer = buffers.pop() ?? (await freed(running, buffers));
        const content = buffer.subarray(0, pieceEnd - at);
        const offset = at;
        begin(pieceEnd, () =>
          (options.inOrder === true ? moveInOrder(content, offset) : move(content, offset)).finally(() =>
            buffers.push(buffer),
          ),
        );
        at = pieceEnd;
      }
      if (failure !== undefined) {
        break;
      }
    }
  } finally {
    await Promise.all(running);
  }
  if (failure !== undefined) {
    throw failure.error;
  }
}

async function writeParts(
  content: Buffer,
  offset: number,
  ends: TransferEnds,
  zeroGrainBytes: number | undefined,
): Promise<void> {
  if (zeroGrainBytes === undefined) {
    await ends.write(content, offset);
    return;
  }
  // Most content has no zeros: then this is one write of the whole.
  for (const part of splitByZeros(content, zeroGrainBytes)) {
    if (part.isZero) {
      await ends.zero(offset + part.from, part.to - part.from);
    } else {
      await ends.write(content.subarray(part.from, part.to), offset + part.from);
    }
  }
}

/** Data in several layers, or in several places of one, is read in one go. */
async function* joined(ranges: AsyncIterable<TransferRange>): AsyncGenerator<TransferRange> {
  let pending: TransferRange | undefined;
  for await (const range of ranges) {
    // Not kept back until all of a long run is known.
    const isLong = pending !== undefined && pending.length >= pieceBytes;
    if (pending?.kind === range.kind && !isLong && pending.offset + pending.length === range.offset) {
      pending.length += range.length;
    } else {
      if (pending !== undefined) {
        yield pending;
      }
      pending = { ...range };
    }
  }
  if (pending !== undefined) {
    yield pending;
  }
}

async function atMost(running: ReadonlySet<Promise<void>>, count: number): Promise<void> {
  while (running.size > count) {
    await Promise.race(running);
  }
}

async function freed(
  running: ReadonlySet<Promise<void>>,
  buffers: Buffer<ArrayBuffer>[],
): Promise<Buffer<ArrayBuffer>> {
  for (;;) {
    await Promise.race(running);
    const buffer = buffers.pop();
    if (buffer !== undefined) {
      return buffer;
    }
  }
}
