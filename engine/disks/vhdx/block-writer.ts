import { zeroBuffer } from '../zero-content.ts';
import { readParent } from './block-reader.ts';
import type { VhdxImage } from './image.ts';
import { payloadBlock, sectorBitmapBlock, sectorBitmapBlockBytes } from './structures.ts';

/** Zeros over at least so much are given to the file system as a hole. */
const shortestHoleBytes = 64 * 1024;
const pageBytes = 4096;

/** What is to be written to a range of a block: bytes, or, when undefined, zeros. Offsets in bytes from the block's start. */
interface Change {
  block: number;
  from: number;
  to: number;
  content: Buffer | undefined;
}

/** As {@link readAtOnce}: a write into one block that has its space. Undefined when it is not that simple. */
export function writeAtOnce(image: VhdxImage, buffer: Buffer, offset: number): Promise<void> | undefined {
  const { bat } = image;
  const { blockSizeBytes } = bat.geometry;
  const block = Math.floor(offset / blockSizeBytes);
  const within = offset - block * blockSizeBytes;
  const isOneBlock = within + buffer.length <= blockSizeBytes && image.hasNewDataWriteGuid;
  const page = isOneBlock ? bat.peek(bat.payloadIndex(block)) : undefined;
  if (page === undefined) {
    return undefined;
  }
  const { state, fileOffset } = bat.payload(page, block);
  const turn = state === payloadBlock.fullyPresent ? image.gate.enter() : undefined;
  return turn === undefined
    ? undefined
    : image.file.write(buffer, fileOffset + within).finally(() => image.gate.leave(turn));
}

/** Writes a buffer to the disk. The range lies inside the disk. @throws ImageDamaged, ParentMismatch */
export async function writeGuest(image: VhdxImage, buffer: Buffer, offset: number): Promise<void> {
  const { bat } = image;
  const { blockSizeBytes } = bat.geometry;
  // Blocks that lie one behind another in the file are written at once.
  let run = { from: 0, to: 0, fileOffset: 0 };
  const finishRun = (): Promise<void> | undefined =>
    run.to === run.from ? undefined : image.file.write(partOf(buffer, run.from, run.to), run.fileOffset);
  for (let at = 0; at < buffer.length;) {
    const block = Math.floor((offset + at) / blockSizeBytes);
    const from = offset + at - block * blockSizeBytes;
    const to = Math.min(blockSizeBytes, from + buffer.length - at);
    const index = bat.payloadIndex(block);
    const { state, fileOffset } = bat.payload(bat.peek(index) ?? (await bat.load(index)), block);
    if (state === payloadBlock.fullyPresent && run.fileOffset + run.to - run.from === fileOffset + from) {
      run.to = at + to - from;
    } else {
      await finishRun();
      run = { from: 0, to: 0, fileOffset: 0 };
      if (state === payloadBlock.fullyPresent) {
        run = { from: at, to: at + to - from, fileOffset: fileOffset + from };
      } else {
        await changeBlock(image, { block, from, to, content: partOf(buffer, at, at + to - from) });
      }
    }
    at += to - from;
  }
  await finishRun();
}

function partOf(buffer: Buffer, from: number, to: number): Buffer {
  return from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to);
}

/** Makes a range of the disk zero. The range lies inside the disk. @throws ImageDamaged, ParentMismatch */
export async function zeroGuest(image: VhdxImage, offset: number, length: number): Promise<void> {
  const { bat } = image;
  const { blockSizeBytes, virtualDiskSizeBytes } = bat.geometry;
  for (let at = offset; at < offset + length;) {
    const block = Math.floor(at / blockSizeBytes);
    const blockStart = block * blockSizeBytes;
    const from = at - blockStart;
    const to = Math.min(blockSizeBytes, offset + length - blockStart);
    const index = bat.payloadIndex(block);
    if (!image.metadata.hasParent) {
      const stored = await bat.skipZeros(index);
      if (stored > index) {
        at = bat.blockFrom(stored) * blockSizeBytes;
        continue;
      }
    }
    const page = bat.peek(index) ?? (await bat.load(index));
    if (page.isZero && !image.metadata.hasParent) {
      at = bat.blockFrom(bat.nextPageIndex(index)) * blockSizeBytes;
      continue;
    }
    const { state } = bat.payload(page, block);
    const isWhole = from === 0 && to >= Math.min(blockSizeBytes, virtualDiskSizeBytes - blockStart);
    const isZero =
      state === payloadBlock.zero ||
      (state === payloadBlock.notPresent && !image.metadata.hasParent) ||
      isUnknown(state, isWhole);
    if (!isZero) {
      if (isWhole && !image.metadata.leaveBlockAllocated) {
        await zeroBlock(image, block);
      } else {
        await changeBlock(image, { block, from, to, content: undefined });
      }
    }
    await image.commitIfMany();
    at = blockStart + to;
  }
}

/** Undefined and unmapped blocks read as zeros here, but other programs may still show what they held before. */
function isUnknown(state: number, isWhole: boolean): boolean {
  return !isWhole && (state === payloadBlock.undefined || state === payloadBlock.unmapped);
}

async function zeroBlock(image: VhdxImage, block: number): Promise<void> {
  await image.locks.hold(block, async () => {
    const { state, fileOffset } = await image.bat.payloadOf(block);
    await image.bat.setPayload(block, payloadBlock.zero, 0);
    if (state === payloadBlock.fullyPresent || state === payloadBlock.partiallyPresent) {
      image.space.free({ offset: fileOffset, length: image.bat.geometry.blockSizeBytes });
    }
  });
}

/** Changes a part of one block, whatever state it is in. */
async function changeBlock(image: VhdxImage, change: Change): Promise<void> {
  if (await changeInPlace(image, change)) {
    return;
  }
  // Where the data may be written after the lock has been let go.
  const fileOffset = await image.locks.hold(change.block, async () => {
    const { state, fileOffset: place } = await image.bat.payloadOf(change.block);
    if (state === payloadBlock.fullyPresent) {
      return place;
    }
    if (state === payloadBlock.partiallyPresent) {
      await changePartial(image, change, place);
      return undefined;
    }
    return state === payloadBlock.notPresent && image.metadata.hasParent
      ? allocateInChild(image, change)
      : allocateZeroed(image, change);
  });
  if (fileOffset !== undefined) {
    await store(image, change, fileOffset);
  }
  await image.commitIfMany();
}

/** @returns false when the tables have to change */
async function changeInPlace(image: VhdxImage, change: Change): Promise<boolean> {
  const { state, fileOffset } = await image.bat.payloadOf(change.block);
  if (state === payloadBlock.partiallyPresent) {
    const [first, end] = sectorsOf(image, change);
    const bitmap = image.bitmaps.peek(change.block) ?? (await image.bitmaps.of(change.block));
    if (!bitmap.areAllPresent(first, end)) {
      return false;
    }
  } else if (state !== payloadBlock.fullyPresent) {
    return false;
  }
  await store(image, change, fileOffset);
  return true;
}

function sectorsOf(image: VhdxImage, { from, to }: Change): [number, number] {
  const { logicalSectorBytes } = image.bat.geometry;
  return [Math.floor(from / logicalSectorBytes), Math.ceil(to / logicalSectorBytes)];
}

/** Bytes of a block that lie inside the disk. */
function bytesInDisk(image: VhdxImage, block: number): number {
  const { blockSizeBytes, virtualDiskSizeBytes } = image.bat.geometry;
  return Math.min(blockSizeBytes, virtualDiskSizeBytes - block * blockSizeBytes);
}

async function store(image: VhdxImage, { from, to, content }: Change, fileOffset: number): Promise<void> {
  if (content === undefined) {
    await storeZeros(image, fileOffset + from, fileOffset + to);
  } else {
    await image.file.write(content, fileOffset + from);
  }
}

/** Zeros in a range of the file, in bytes. */
export async function storeZeros(image: VhdxImage, from: number, to: number): Promise<void> {
  const holeStart = Math.ceil(from / pageBytes) * pageBytes;
  const holeEnd = Math.floor(to / pageBytes) * pageBytes;
  const isHole =
    holeEnd - holeStart >= shortestHoleBytes && (await image.file.punchHole(holeStart, holeEnd - holeStart));
  const rest = isHole ? [[from, holeStart] as const, [holeEnd, to] as const] : [[from, to] as const];
  for (const [start, end] of rest) {
    for (let at = start; at < end; at += zeroBuffer.length) {
      await image.file.write(zeroBuffer.subarray(0, Math.min(zeroBuffer.length, end - at)), at);
    }
  }
}

/** Gives a block that reads as zeros its space. @returns where the change is still to be stored, if it is */
async function allocateZeroed(image: VhdxImage, change: Change): Promise<number | undefined> {
  if (change.content === undefined) {
    return undefined;
  }
  const { blockSizeBytes } = image.bat.geometry;
  const { offset, isZeroed } = await image.allocate(blockSizeBytes);
  if (!isZeroed) {
    // What somebody else's block held must never show.
    await storeZeros(image, offset, offset + change.from);
    await storeZeros(image, offset + change.to, offset + blockSizeBytes);
    await store(image, change, offset);
  }
  await image.bat.setPayload(change.block, payloadBlock.fullyPresent, offset);
  return isZeroed ? offset : undefined;
}

/** Gives a block that shows the parent its space: the parent keeps showing where nothing is written. */
async function allocateInChild(image: VhdxImage, change: Change): Promise<undefined> {
  const { block } = change;
  const { blockSizeBytes } = image.bat.geometry;
  const isWhole = change.from === 0 && change.to >= bytesInDisk(image, block);
  const { offset, isZeroed } = await image.allocate(blockSizeBytes);
  if (isWhole) {
    if (!isZeroed) {
      await storeZeros(image, offset + change.to, offset + blockSizeBytes);
    }
    await storeInNewSpace(image, change, offset, isZeroed);
    await image.bat.setPayload(block, payloadBlock.fullyPresent, offset);
    return;
  }
  await requireSectorBitmap(image, image.bitmaps.chunkOf(block));
  await storeEdges(image, change, offset, () => false);
  await storeInNewSpace(image, change, offset, isZeroed);
  const [first, end] = sectorsOf(image, change);
  const bitmap = await image.bitmaps.of(block);
  // Bits of an earlier time, when the block was there before, mean nothing.
  bitmap.clear(image.pages);
  bitmap.set(image.pages, first, end, true);
  await image.bat.setPayload(block, payloadBlock.partiallyPresent, offset);
}

async function storeInNewSpace(image: VhdxImage, change: Change, offset: number, isZeroed: boolean): Promise<void> {
  if (change.content !== undefined || !isZeroed) {
    await store(image, change, offset);
  }
}

/** Writes into a block of which other sectors are the parent's. */
async function changePartial(image: VhdxImage, change: Change, fileOffset: number): Promise<void> {
  const [first, end] = sectorsOf(image, change);
  const before = await image.bitmaps.of(change.block);
  const present = [before.isPresent(first), before.isPresent(end - 1)];
  await storeEdges(image, change, fileOffset, (sector) => present[sector === first ? 0 : 1] === true);
  await store(image, change, fileOffset);
  const bitmap = await image.bitmaps.of(change.block);
  bitmap.set(image.pages, first, end, true);
  const sectorsInDisk = bytesInDisk(image, change.block) / image.bat.geometry.logicalSectorBytes;
  if (bitmap.areAllPresent(0, sectorsInDisk)) {
    await image.bat.setPayload(change.block, payloadBlock.fullyPresent, fileOffset);
  }
}

/** A sector comes into this file whole: the part of it that is not written is the parent's. */
async function storeEdges(
  image: VhdxImage,
  change: Change,
  fileOffset: number,
  isPresent: (sector: number) => boolean,
): Promise<void> {
  const { logicalSectorBytes, blockSizeBytes } = image.bat.geometry;
  const [first, end] = sectorsOf(image, change);
  const edges = [
    { sector: first, from: first * logicalSectorBytes, to: change.from },
    { sector: end - 1, from: change.to, to: end * logicalSectorBytes },
  ];
  for (const { sector, from, to } of edges) {
    if (from < to && !isPresent(sector)) {
      const edge = Buffer.alloc(to - from);
      await readParent(image.requireParent(), edge, change.block * blockSizeBytes + from);
      await image.file.write(edge, fileOffset + from);
    }
  }
}

/** Sees to it that a chunk has its sector bitmap block. */
async function requireSectorBitmap(image: VhdxImage, chunk: number): Promise<void> {
  await image.locks.hold(-1 - chunk, async () => {
    const { bat } = image;
    const index = bat.sectorBitmapIndex(chunk);
    const { state } = bat.sectorBitmap(bat.peek(index) ?? (await bat.load(index)), chunk);
    if (state !== sectorBitmapBlock.present) {
      const { offset, isZeroed } = await image.allocate(sectorBitmapBlockBytes);
      if (!isZeroed) {
        await storeZeros(image, offset, offset + sectorBitmapBlockBytes);
      }
      image.pages.forget(offset, sectorBitmapBlockBytes);
      await bat.setSectorBitmap(chunk, sectorBitmapBlock.present, offset);
    }
  });
}
