import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { LongCall } from '../disk.ts';
import { damagedField } from '../structure.ts';
import { isZero } from '../zero-content.ts';
import type { VhdxImage } from './image.ts';
import { roundUp, visitBlocks, type PresentBlock } from './space.ts';
import { mebibyte, payloadBlock } from './structures.ts';
import { UnitMap } from './unit-map.ts';

const pieceBytes = mebibyte;
/** Each round finds room that the one before it made; further ones gain next to nothing. */
const mostRounds = 4;

/** Frees blocks that are all zero, moves the last ones into the gaps, and cuts the file off. @returns bytes freed */
export async function compactImage(image: VhdxImage, call: LongCall): Promise<number> {
  if (image.metadata.leaveBlockAllocated) {
    return 0;
  }
  await image.beforeFileChange();
  await dropEmptyBlocks(image, call);
  return closeGaps(image, call);
}

async function dropEmptyBlocks(image: VhdxImage, call: LongCall): Promise<void> {
  const totalBytes = image.file.sizeBytes;
  const piece = Buffer.allocUnsafe(pieceBytes);
  let doneBytes = 0;
  await visitBlocks(
    image.bat,
    async (block) => {
      call.signal?.throwIfAborted();
      doneBytes = Math.min(totalBytes, doneBytes + block.length);
      if (block.kind === 'payload') {
        await dropIfEmpty(image, block, piece);
        await image.commitIfMany();
      }
      call.onProgress?.(doneBytes, totalBytes);
    },
    call.signal,
  );
  await image.commit();
}

async function dropIfEmpty(image: VhdxImage, block: PresentBlock, piece: Buffer): Promise<void> {
  const { blockSizeBytes, virtualDiskSizeBytes, logicalSectorBytes } = image.bat.geometry;
  const bytes = Math.min(blockSizeBytes, virtualDiskSizeBytes - block.number * blockSizeBytes);
  let { state } = block;
  if (state === payloadBlock.partiallyPresent) {
    const { isPresent, end } = (await image.bitmaps.of(block.number)).run(0, bytes / logicalSectorBytes);
    if (end < bytes / logicalSectorBytes) {
      return;
    }
    state = isPresent ? payloadBlock.fullyPresent : payloadBlock.notPresent;
  }
  if (state === payloadBlock.fullyPresent && (await isStoredZero(image, block.fileOffset, bytes, piece))) {
    state = payloadBlock.zero;
  }
  if (state === payloadBlock.fullyPresent) {
    if (state !== block.state) {
      await image.bat.setPayload(block.number, state, block.fileOffset);
    }
    return;
  }
  await image.bat.setPayload(block.number, state, 0);
  image.space.free({ offset: block.fileOffset, length: block.length });
}

/** Whether a range of the file holds nothing but zeros; holes are not read. */
export async function isStoredZero(image: VhdxImage, offset: number, length: number, piece: Buffer): Promise<boolean> {
  const end = offset + length;
  const first = await image.file.nextData(offset);
  for (let at = Math.max(offset, first?.offset ?? end); at < end; at += piece.length) {
    const content = piece.subarray(0, Math.min(piece.length, end - at));
    if ((await image.file.read(content, at)) < content.length) {
      throw damagedField(image.file.path, 'FileOffsetMB', `byte ${at} lies beyond the end of the file`);
    }
    if (!isZero(content)) {
      return false;
    }
  }
  return true;
}

/** Moves blocks from the end of the file into its gaps, and cuts off what is then free. @returns bytes freed */
export async function closeGaps(image: VhdxImage, call: LongCall): Promise<number> {
  const before = image.file.sizeBytes;
  await image.commit();
  // What was to be used again may be filled here.
  image.space.reset(Math.max(roundUp(before), image.space.endBytes));
  let map = await mapUnits(image, call.signal);
  for (let round = 0; round < mostRounds && (await moveDown(image, map, call)); round++) {
    await image.commit();
    map = await mapUnits(image, call.signal);
  }
  const end = map.endUnit * mebibyte;
  for (const gap of map.gaps()) {
    call.signal?.throwIfAborted();
    await image.file.punchHole(gap.from * mebibyte, (gap.to - gap.from) * mebibyte);
  }
  if (end < image.file.sizeBytes) {
    await image.shorten(end);
  }
  image.space.reset(Math.max(end, roundUp(image.file.sizeBytes)));
  return Math.max(0, before - image.file.sizeBytes);
}

/** Which MiB of the file are in use. @throws ImageDamaged when two structures overlap; UnsupportedDisk for a file too large */
export async function mapUnits(image: VhdxImage, signal: AbortSignal | undefined): Promise<UnitMap> {
  const map = newUnitMap(image);
  await visitBlocks(
    image.bat,
    (block) => {
      const from = block.fileOffset / mebibyte;
      if (!map.take(from, from + block.length / mebibyte)) {
        throw damagedField(
          image.file.path,
          'FileOffsetMB',
          `the ${block.kind === 'payload' ? 'block' : 'sector bitmap block'} ${block.number} overlaps another structure`,
        );
      }
      return undefined;
    },
    signal,
  );
  return map;
}

/** A map with the header section, the log and the regions. */
export function newUnitMap(image: VhdxImage): UnitMap {
  const { blockSizeBytes } = image.bat.geometry;
  const units = Math.ceil((image.file.sizeBytes + blockSizeBytes) / mebibyte);
  if (units > UnitMap.mostUnits) {
    throw new CheckpointError('UnsupportedDisk', `The file ${image.file.path} is too large to be examined.`, {
      path: image.file.path,
      fileSizeBytes: image.file.sizeBytes,
    });
  }
  const map = new UnitMap(units);
  map.take(0, 1);
  for (const { offset, length } of image.takenRanges) {
    map.take(offset / mebibyte, (offset + length) / mebibyte);
  }
  return map;
}

/** @returns whether anything was moved */
async function moveDown(image: VhdxImage, map: UnitMap, call: LongCall): Promise<boolean> {
  const regionsEnd = Math.max(...image.takenRanges.map(({ offset, length }) => (offset + length) / mebibyte));
  // As if every gap could be filled: what lies behind that has to go.
  const target = Math.max(map.takenUnits, regionsEnd);
  const piece = Buffer.allocUnsafe(pieceBytes);
  let hasMoved = false;
  await visitBlocks(
    image.bat,
    (block) => {
      const units = block.length / mebibyte;
      if (block.fileOffset / mebibyte + units <= target) {
        return undefined;
      }
      const gap = map.findGap(units, target);
      if (gap === undefined) {
        return undefined;
      }
      map.take(gap, gap + units);
      hasMoved = true;
      return moveBlock(image, block, gap * mebibyte, piece, call.signal);
    },
    call.signal,
  );
  return hasMoved;
}

async function moveBlock(
  image: VhdxImage,
  block: PresentBlock,
  to: number,
  piece: Buffer,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  if (block.kind === 'sectorBitmap') {
    // What is in memory belongs to the old place.
    await image.commit();
    image.pages.forget(block.fileOffset, block.length);
    image.pages.forget(to, block.length);
  }
  const isHole = await image.file.punchHole(to, block.length);
  const length = Math.min(block.length, image.file.sizeBytes - block.fileOffset);
  for (let at = 0; at < length; at += piece.length) {
    const content = piece.subarray(0, Math.min(piece.length, length - at));
    await image.file.read(content, block.fileOffset + at);
    if (!isHole || !isZero(content)) {
      await image.file.write(content, to + at);
    }
  }
  if (block.kind === 'payload') {
    await image.bat.setPayload(block.number, block.state, to);
  } else {
    await image.bat.setSectorBitmap(block.number, block.state, to);
  }
  await image.commitIfMany();
}
