import type { CheckpointError } from '../../model/checkpoint-error.ts';
import type { Disk, Extent, ExtentState } from '../disk.ts';
import { damagedField } from '../structure.ts';
import type { BatEntry } from './block-allocation-table.ts';
import type { VhdxImage } from './image.ts';
import type { BlockBitmap } from './sector-bitmap.ts';
import { payloadBlock } from './structures.ts';

/** A partially present block in more pieces than this is read whole from both files and put together in memory. */
const mostPieces = 16;
const pieceBytes = 1 << 20;

/** Neighbouring content of one kind: where it lies in the buffer, and in the file if it is stored. */
interface Run {
  state: ExtentState;
  from: number;
  to: number;
  fileOffset: number;
}

/**
 * The same as {@link readGuest} for what needs no waiting but for the file: a part of one block whose entry is in
 * memory. Undefined when it is not that simple, or when the disk is used by one call alone.
 */
export function readAtOnce(image: VhdxImage, buffer: Buffer, offset: number): Promise<void> | undefined {
  const { bat, parent } = image;
  const { blockSizeBytes } = bat.geometry;
  const block = Math.floor(offset / blockSizeBytes);
  const within = offset - block * blockSizeBytes;
  const page = within + buffer.length > blockSizeBytes ? undefined : bat.peek(bat.payloadIndex(block));
  if (page === undefined) {
    return undefined;
  }
  const { state, fileOffset } = bat.payload(page, block);
  if (state === payloadBlock.notPresent && parent !== undefined) {
    // Down a long chain this is all that each layer does.
    return !image.gate.isAlone && offset + buffer.length <= parent.virtualSizeBytes
      ? parent.read(buffer, offset)
      : undefined;
  }
  const turn = state === payloadBlock.fullyPresent ? image.gate.enter() : undefined;
  return turn === undefined
    ? undefined
    : image.file
        .read(buffer, fileOffset + within)
        .then((bytes) => {
          if (bytes < buffer.length) {
            throw beyondEnd(image, fileOffset + within + bytes);
          }
        })
        .finally(() => image.gate.leave(turn));
}

/** Fills a buffer from an offset of the disk. The range lies inside the disk. @throws ImageDamaged, ParentMismatch */
export async function readGuest(image: VhdxImage, buffer: Buffer, offset: number): Promise<void> {
  const { bat } = image;
  const { blockSizeBytes } = bat.geometry;
  let run: Run | undefined;
  for (let at = 0; at < buffer.length;) {
    const block = Math.floor((offset + at) / blockSizeBytes);
    const within = offset + at - block * blockSizeBytes;
    const length = Math.min(blockSizeBytes - within, buffer.length - at);
    const index = bat.payloadIndex(block);
    const entry = bat.payload(bat.peek(index) ?? (await bat.load(index)), block);
    if (entry.state === payloadBlock.partiallyPresent) {
      if (run !== undefined) {
        await readRun(image, buffer, offset, run);
        run = undefined;
      }
      await readPartial(image, buffer.subarray(at, at + length), offset + at, block, entry);
    } else {
      const state = stateOf(entry);
      const fileOffset = entry.fileOffset + within;
      if (run?.state === state && (state !== 'data' || run.fileOffset + run.to - run.from === fileOffset)) {
        run.to = at + length;
      } else {
        if (run !== undefined) {
          await readRun(image, buffer, offset, run);
        }
        run = { state, from: at, to: at + length, fileOffset };
      }
    }
    at += length;
  }
  if (run !== undefined) {
    await readRun(image, buffer, offset, run);
  }
}

/** Of a block that is not partially present. Undefined and unmapped blocks read as zeros: the same for every reader. */
function stateOf({ state }: BatEntry): ExtentState {
  return state === payloadBlock.fullyPresent ? 'data' : state === payloadBlock.notPresent ? 'parent' : 'zero';
}

async function readRun(image: VhdxImage, buffer: Buffer, offset: number, run: Run): Promise<void> {
  if (run.state === 'zero') {
    buffer.fill(0, run.from, run.to);
    return;
  }
  const part = run.from === 0 && run.to === buffer.length ? buffer : buffer.subarray(run.from, run.to);
  if (run.state === 'data') {
    await readStored(image, part, run.fileOffset);
  } else {
    await readParent(image.requireParent(), part, offset + run.from);
  }
}

async function readStored(image: VhdxImage, part: Buffer, fileOffset: number): Promise<void> {
  const bytes = await image.file.read(part, fileOffset);
  if (bytes < part.length) {
    throw beyondEnd(image, fileOffset + bytes);
  }
}

function beyondEnd(image: VhdxImage, fileOffset: number): CheckpointError {
  return damagedField(image.file.path, 'FileOffsetMB', `byte ${fileOffset} lies beyond the end of the file`);
}

/** What shows through where a disk has nothing: its parent, zeros beyond the parent's end, zeros without a parent. */
export async function readParent(parent: Disk | undefined, part: Buffer, offset: number): Promise<void> {
  const length = parent === undefined ? 0 : Math.max(0, Math.min(part.length, parent.virtualSizeBytes - offset));
  if (parent !== undefined && length > 0) {
    await parent.read(length === part.length ? part : part.subarray(0, length), offset);
  }
  part.fill(0, length);
}

async function readPartial(
  image: VhdxImage,
  part: Buffer,
  offset: number,
  block: number,
  entry: BatEntry,
): Promise<void> {
  const bitmap = image.bitmaps.peek(block) ?? (await image.bitmaps.of(block));
  const { blockSizeBytes } = image.bat.geometry;
  const within = offset % blockSizeBytes;
  const pieces = [...piecesOf(image, bitmap, within, within + part.length)];
  if (pieces.length > mostPieces) {
    await readInterleaved(image, part, offset, entry, pieces);
    return;
  }
  for (const { isPresent, from, to } of pieces) {
    const piece = part.subarray(from - within, to - within);
    if (isPresent) {
      await readStored(image, piece, entry.fileOffset + from);
    } else {
      await readParent(image.requireParent(), piece, offset + from - within);
    }
  }
}

/** Reads the parent's content of the whole range, and puts this file's over it. */
async function readInterleaved(
  image: VhdxImage,
  part: Buffer,
  offset: number,
  entry: BatEntry,
  pieces: readonly Piece[],
): Promise<void> {
  const within = offset % image.bat.geometry.blockSizeBytes;
  await readParent(image.requireParent(), part, offset);
  const own = Buffer.allocUnsafe(Math.min(pieceBytes, part.length));
  let next = 0;
  for (let start = within; start < within + part.length; start += own.length) {
    const stored = own.subarray(0, Math.min(own.length, within + part.length - start));
    await readStored(image, stored, entry.fileOffset + start);
    const end = start + stored.length;
    for (let piece = pieces[next]; piece !== undefined && piece.from < end; piece = pieces[++next]) {
      if (piece.isPresent) {
        stored.copy(part, Math.max(piece.from, start) - within, Math.max(piece.from, start) - start, piece.to - start);
      }
      if (piece.to > end) {
        break;
      }
    }
  }
}

/** A range of a block, in bytes from its start, that is in this file or is not. */
interface Piece {
  isPresent: boolean;
  from: number;
  to: number;
}

function* piecesOf(image: VhdxImage, bitmap: BlockBitmap, from: number, to: number): Generator<Piece> {
  const { logicalSectorBytes } = image.bat.geometry;
  const limit = Math.ceil(to / logicalSectorBytes);
  for (let at = from; at < to;) {
    const { isPresent, end } = bitmap.run(Math.floor(at / logicalSectorBytes), limit);
    const next = Math.min(end * logicalSectorBytes, to);
    yield { isPresent, from: at, to: next };
    at = next;
  }
}

/**
 * The layer's own extents over a range that lies inside the disk, joined where neighbours are alike.
 * @param runStep runs the look at one page of the table: a reader may take its time between two, or never come back
 */
export async function* guestExtents(
  image: VhdxImage,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
  runStep: (look: () => Promise<Extent[]>) => Promise<Extent[]>,
): AsyncGenerator<Extent> {
  let last: Extent | undefined;
  const end = offset + length;
  let at = offset;
  while (at < end) {
    signal?.throwIfAborted();
    const found = await runStep(() => extentsOfPage(image, at, end));
    for (const extent of found) {
      if (last !== undefined && isContinuation(last, extent)) {
        last.length += extent.length;
      } else {
        if (last !== undefined) {
          yield last;
        }
        last = extent;
      }
      at = extent.offset + extent.length;
    }
  }
  if (last !== undefined) {
    yield last;
  }
}

function isContinuation(last: Extent, next: Extent): boolean {
  return (
    last.state === next.state && (last.fileOffset === undefined || last.fileOffset + last.length === next.fileOffset)
  );
}

/** Extents from a place on: at least one, at most up to where the page of the table ends. */
async function extentsOfPage(image: VhdxImage, start: number, end: number): Promise<Extent[]> {
  const { bat } = image;
  const { blockSizeBytes } = bat.geometry;
  const firstBlock = Math.floor(start / blockSizeBytes);
  const firstIndex = bat.payloadIndex(firstBlock);
  const pageEnd = Math.min(end, bat.blockFrom(bat.nextPageIndex(firstIndex)) * blockSizeBytes);
  const stored = await bat.skipZeros(firstIndex);
  if (stored > firstIndex) {
    const holeEnd = Math.min(end, bat.blockFrom(stored) * blockSizeBytes);
    return [{ offset: start, length: holeEnd - start, state: 'parent' }];
  }
  let page = bat.peek(firstIndex) ?? (await bat.load(firstIndex));
  if (page.isZero) {
    return [{ offset: start, length: pageEnd - start, state: 'parent' }];
  }
  const extents: Extent[] = [];
  for (let at = start; at < pageEnd;) {
    const block = Math.floor(at / blockSizeBytes);
    const blockStart = block * blockSizeBytes;
    const to = Math.min(blockStart + blockSizeBytes, pageEnd);
    const entry = bat.payload(page, block);
    if (entry.state === payloadBlock.partiallyPresent) {
      const bitmap = image.bitmaps.peek(block) ?? (await image.bitmaps.of(block));
      for (const piece of piecesOf(image, bitmap, at - blockStart, to - blockStart)) {
        const place = { offset: blockStart + piece.from, length: piece.to - piece.from };
        extents.push(
          piece.isPresent
            ? { ...place, state: 'data', fileOffset: entry.fileOffset + piece.from }
            : { ...place, state: 'parent' },
        );
      }
      // So many pieces may be in one block that a page of blocks would not fit into memory.
      return extents;
    }
    const state = stateOf(entry);
    const last = extents.at(-1);
    const extent: Extent = { offset: at, length: to - at, state };
    if (state === 'data') {
      extent.fileOffset = entry.fileOffset + at - blockStart;
    }
    if (last !== undefined && isContinuation(last, extent)) {
      last.length += extent.length;
    } else {
      extents.push(extent);
    }
    at = to;
    page = bat.peek(firstIndex) ?? (await bat.load(firstIndex));
  }
  return extents;
}
