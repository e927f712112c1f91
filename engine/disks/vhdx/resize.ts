import { PiecesRead } from '../pieces-read.ts';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { LongCall } from '../disk.ts';
import { isZero } from '../zero-content.ts';
import { batEntryBytes, geometryOf } from './block-allocation-table.ts';
import { guestExtents, readGuest } from './block-reader.ts';
import { storeZeros, zeroGuest } from './block-writer.ts';
import { changeMetadata } from './change-metadata.ts';
import { requireDiskSize } from './create.ts';
import type { FileRange } from './headers.ts';
import type { VhdxImage } from './image.ts';
import { encodeVirtualDiskSize } from './metadata-table.ts';
import { moveBat, readRegions } from './region-table.ts';
import { roundUp } from './space.ts';
import { mebibyte, metadataItem, payloadBlock, regionTableOffsets } from './structures.ts';

/** Gives the disk another size. Nothing else uses it meanwhile. @throws InvalidArgument, UnsupportedDisk, ImageDamaged */
export async function resizeImage(image: VhdxImage, sizeBytes: number, call: LongCall): Promise<void> {
  const { virtualDiskSizeBytes, logicalSectorBytes } = image.metadata;
  requireDiskSize(sizeBytes, logicalSectorBytes, image.file.path);
  if (sizeBytes < virtualDiskSizeBytes) {
    await shrink(image, sizeBytes, call);
  } else if (sizeBytes > virtualDiskSizeBytes) {
    await grow(image, sizeBytes, call);
  }
}

async function shrink(image: VhdxImage, sizeBytes: number, call: LongCall): Promise<void> {
  await requireEmptyTail(image, sizeBytes, call.signal);
  await image.beforeDataChange();
  const { payloadBlocks, blockSizeBytes } = image.bat.geometry;
  // The blocks go first: what they hold is zero, and so is what shows when they are gone.
  for (let block = Math.ceil(sizeBytes / blockSizeBytes); block < payloadBlocks; block++) {
    const index = image.bat.payloadIndex(block);
    const stored = await image.bat.skipZeros(index);
    if (stored > index) {
      block = image.bat.blockFrom(stored) - 1;
      continue;
    }
    const page = image.bat.peek(index) ?? (await image.bat.load(index));
    if (page.isZero) {
      block = Math.max(block, image.bat.blockFrom(image.bat.nextPageIndex(index)) - 1);
      continue;
    }
    const { state, fileOffset } = image.bat.payload(page, block);
    if (state === payloadBlock.fullyPresent || state === payloadBlock.partiallyPresent) {
      image.space.free({ offset: fileOffset, length: blockSizeBytes });
    }
    if (state !== payloadBlock.notPresent) {
      await image.bat.setPayload(block, payloadBlock.notPresent, 0);
    }
    await image.commitIfMany();
  }
  await changeMetadata(image, new Map([[metadataItem.VirtualDiskSize, encodeVirtualDiskSize(sizeBytes)]]));
  image.reload();
}

async function requireEmptyTail(image: VhdxImage, sizeBytes: number, signal: AbortSignal | undefined): Promise<void> {
  const piece = Buffer.allocUnsafe(mebibyte);
  for await (const extent of guestExtentsAlone(image, sizeBytes, signal)) {
    const parentEnd = image.requireParent()?.virtualSizeBytes ?? 0;
    const end = extent.state === 'parent' ? Math.min(extent.end, parentEnd) : extent.end;
    for (let at = extent.offset; at < end && extent.state !== 'zero'; at += piece.length) {
      signal?.throwIfAborted();
      const content = piece.subarray(0, Math.min(piece.length, end - at));
      await readGuest(image, content, at);
      if (!isZero(content)) {
        throw new CheckpointError(
          'InvalidArgument',
          `The disk ${image.file.path} holds data beyond byte ${sizeBytes}, so it cannot be made that short.`,
          { path: image.file.path, virtualSizeBytes: sizeBytes },
        );
      }
    }
  }
}

async function* guestExtentsAlone(
  image: VhdxImage,
  from: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ offset: number; end: number; state: string }> {
  const length = image.metadata.virtualDiskSizeBytes - from;
  for await (const extent of guestExtents(image, from, length, signal, (work) => work())) {
    yield { offset: extent.offset, end: extent.offset + extent.length, state: extent.state };
  }
}

async function grow(image: VhdxImage, sizeBytes: number, call: LongCall): Promise<void> {
  await image.beforeDataChange();
  const oldSizeBytes = image.metadata.virtualDiskSizeBytes;
  const before = image.bat.geometry;
  const after = geometryOf({ ...image.metadata, virtualDiskSizeBytes: sizeBytes });
  await clearTailOfLastBlock(image, sizeBytes);
  const needed = after.entryCount * batEntryBytes;
  await image.commit();
  const change = new Map([[metadataItem.VirtualDiskSize, encodeVirtualDiskSize(sizeBytes)]]);
  if (needed <= image.regions.bat.length) {
    await clearEntries(image, before.entryCount, after.entryCount, call.signal);
    await changeMetadata(image, change);
  } else {
    const bat = await copyBat(image, before.entryCount * batEntryBytes, needed, call.signal);
    const old = image.regions.bat;
    const table = moveBat(image.regions, bat);
    await changeMetadata(image, change, async () => {
      for (const offset of regionTableOffsets) {
        await image.pages.overwrite(offset, table, 'region table');
      }
    });
    image.regions = await readRegions(new PiecesRead(image.file), image.file.sizeBytes, image.found.headers.log);
    image.pages.forget(old.offset, old.length);
  }
  image.reload();
  if (image.metadata.leaveBlockAllocated) {
    await allocateBlocks(image, before.payloadBlocks, call);
  }
  await hideLongerParent(image, oldSizeBytes, sizeBytes);
  await image.commit();
}

/** What lies in the last block behind the disk's old end becomes visible, and has to be zero. */
async function clearTailOfLastBlock(image: VhdxImage, sizeBytes: number): Promise<void> {
  const { blockSizeBytes, virtualDiskSizeBytes, logicalSectorBytes } = image.bat.geometry;
  const from = virtualDiskSizeBytes % blockSizeBytes;
  if (from === 0) {
    return;
  }
  const block = Math.floor(virtualDiskSizeBytes / blockSizeBytes);
  const to = Math.min(blockSizeBytes, sizeBytes - block * blockSizeBytes);
  const { state, fileOffset } = await image.bat.payloadOf(block);
  if (state === payloadBlock.fullyPresent) {
    await storeZeros(image, fileOffset + from, fileOffset + to);
  } else if (state === payloadBlock.partiallyPresent) {
    const bitmap = await image.bitmaps.of(block);
    bitmap.set(image.pages, from / logicalSectorBytes, blockSizeBytes / logicalSectorBytes, false);
  }
}

/** Entries that nobody has used up to now are to say so. */
async function clearEntries(
  image: VhdxImage,
  from: number,
  to: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const empty = Buffer.alloc(batEntryBytes);
  for (let index = from; index < to; index++) {
    signal?.throwIfAborted();
    const page = image.bat.peek(index) ?? (await image.bat.load(index));
    if (page.isZero) {
      index = Math.min(to, image.bat.nextPageIndex(index)) - 1;
    } else {
      await image.pages.overwrite(image.bat.region.offset + index * batEntryBytes, empty, 'BAT');
      await image.commitIfMany();
    }
  }
}

/** Copies the table to new space that is long enough. Nothing refers to it yet, so this needs no log. */
async function copyBat(
  image: VhdxImage,
  usedBytes: number,
  neededBytes: number,
  signal: AbortSignal | undefined,
): Promise<FileRange> {
  const length = roundUp(neededBytes);
  const { offset, isZeroed } = await image.allocate(length);
  if (!isZeroed) {
    await storeZeros(image, offset, offset + length);
  }
  const piece = Buffer.allocUnsafe(mebibyte);
  for (let at = 0; at < usedBytes; at += piece.length) {
    signal?.throwIfAborted();
    const content = piece.subarray(0, Math.min(piece.length, usedBytes - at));
    await image.file.read(content, image.regions.bat.offset + at);
    if (!isZero(content)) {
      await image.file.write(content, offset + at);
    }
  }
  return { offset, length };
}

/** A fixed disk has all its blocks. */
async function allocateBlocks(image: VhdxImage, from: number, call: LongCall): Promise<void> {
  const { payloadBlocks, blockSizeBytes } = image.bat.geometry;
  for (let block = from; block < payloadBlocks; block++) {
    call.signal?.throwIfAborted();
    const { offset, isZeroed } = await image.allocate(blockSizeBytes);
    if (!isZeroed) {
      await storeZeros(image, offset, offset + blockSizeBytes);
    }
    await image.bat.setPayload(block, payloadBlock.fullyPresent, offset);
    await image.commitIfMany();
    call.onProgress?.((block + 1 - from) * blockSizeBytes, (payloadBlocks - from) * blockSizeBytes);
  }
}

/** What a parent has beyond the old end of its child was never part of the child. */
async function hideLongerParent(image: VhdxImage, oldSizeBytes: number, sizeBytes: number): Promise<void> {
  const end = Math.min(sizeBytes, image.requireParent()?.virtualSizeBytes ?? 0);
  if (end > oldSizeBytes) {
    await zeroGuest(image, oldSizeBytes, end - oldSizeBytes);
  }
}
