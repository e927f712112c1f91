import type { LongCall } from '../disk.ts';
import { isZero } from '../zero-content.ts';
import { unusedEntry } from './block-allocation-table.ts';
import { BlockList } from './block-list.ts';
import { changedDynamicHeader, dynamicHeaderBytes, maxDiskBytesOf, tableBytesOf } from './dynamic-header.ts';
import { changedFooter, ofSize, sectorBytes } from './footer.ts';
import { moveBlockToEnd } from './move-block.ts';
import type { ParentContent } from './parent-content.ts';
import { append, cutFile, replaceFooter, replaceMetadata } from './replace-metadata.ts';
import { requireDiskSize, tailHoldsData } from './disk-size.ts';
import { sparseExtents } from './sparse-extents.ts';
import type { SparseImage } from './sparse-image.ts';
import type { SparseWriter } from './sparse-write.ts';
import { structuresEnd } from './used-space.ts';

const pieceBytes = 1 << 20;

/** Changes a disk's size; a crash leaves the old or the new one. Nothing may be waiting for a flush. */
export async function resizeSparse(
  image: SparseImage,
  below: ParentContent,
  writer: SparseWriter,
  sizeBytes: number,
  call: LongCall,
): Promise<void> {
  requireDiskSize(sizeBytes, maxDiskBytesOf(image.layout.blockSize), image.file.path);
  if (sizeBytes > image.diskBytes) {
    await grow(image, below, writer, sizeBytes, call);
  } else if (sizeBytes < image.diskBytes) {
    await requireEmpty(image, below, sizeBytes, call);
    await shrink(image, sizeBytes, call);
  }
}

async function grow(
  image: SparseImage,
  below: ParentContent,
  writer: SparseWriter,
  sizeBytes: number,
  call: LongCall,
): Promise<void> {
  const maxTableEntries = Math.ceil(sizeBytes / image.layout.blockSize);
  if (maxTableEntries > image.layout.maxTableEntries) {
    await growTable(image, maxTableEntries, call);
  }
  // What lay behind the old end in its last block, or in a longer parent, must not show.
  const lastBlockEnd = Math.ceil(image.diskBytes / image.layout.blockSize) * image.layout.blockSize;
  const visibleEnd = Math.min(sizeBytes, Math.max(lastBlockEnd, below.sizeBytes));
  await writer.zero(image.diskBytes, Math.max(0, visibleEnd - image.diskBytes));
  await image.commit();
  await replaceFooter(image, changedFooter(image.footer, ofSize(sizeBytes)));
}

/** Gives the table more entries where it is, once the blocks behind it have moved; elsewhere when other structures follow. */
async function growTable(image: SparseImage, maxTableEntries: number, call: LongCall): Promise<void> {
  const { file, layout, header } = image;
  const usedEnd = layout.tableOffset + layout.maxTableEntries * 4;
  const neededEnd = layout.tableOffset + tableBytesOf(maxTableEntries);
  await image.prepareEnd();
  let { tableOffset } = layout;
  if (isInTheWay(image, usedEnd, neededEnd)) {
    const table = Buffer.alloc(tableBytesOf(maxTableEntries), 0xff);
    for await (const run of image.table.scan(call.signal)) {
      for (let at = 0; at < run.count; at++) {
        table.writeUInt32BE(run.entry(at), (run.firstIndex + at) * 4);
      }
    }
    tableOffset = await append(image, table);
  } else {
    await clearBlocks(image, usedEnd, neededEnd, call);
    if (image.footerOffset < neededEnd) {
      await image.writeEndFooter(neededEnd);
      await file.sync();
    }
    await file.write(Buffer.alloc(neededEnd - usedEnd, 0xff), usedEnd);
    await file.sync();
  }
  const newLayout = { ...layout, tableOffset, maxTableEntries };
  await replaceMetadata(
    image,
    image.footer,
    changedDynamicHeader(header, { tableOffset: BigInt(tableOffset), maxTableEntries }),
  );
  image.layout = newLayout;
  image.table.relocate(newLayout);
}

/** Whether the header or a parent locator lies in a range of the file. */
function isInTheWay(image: SparseImage, from: number, to: number): boolean {
  const locators = image.header.locators
    .filter((locator) => locator.platformDataLength > 0)
    .map((locator) => ({ from: Number(locator.platformDataOffset), length: locator.platformDataLength }));
  return [{ from: image.headerOffset, length: dynamicHeaderBytes }, ...locators].some(
    (structure) => structure.from < to && structure.from + structure.length > from,
  );
}

async function clearBlocks(image: SparseImage, from: number, to: number, { signal }: LongCall): Promise<void> {
  for await (const run of image.table.scan(signal)) {
    for (let at = 0; at < run.count; at++) {
      const entry = run.entry(at);
      const start = entry * sectorBytes;
      if (entry !== unusedEntry && start < to && start + image.storedBlockBytes > from) {
        await moveBlockToEnd(image, run.firstIndex + at, start, signal);
      }
    }
  }
  await image.commit();
}

async function shrink(image: SparseImage, sizeBytes: number, { signal }: LongCall): Promise<void> {
  const maxTableEntries = Math.ceil(sizeBytes / image.layout.blockSize);
  await replaceFooter(image, changedFooter(image.footer, ofSize(sizeBytes)));
  for (let index = maxTableEntries; index < image.layout.maxTableEntries; index++) {
    signal?.throwIfAborted();
    if ((await image.table.entry(index)) !== unusedEntry) {
      await image.table.set(index, unusedEntry);
      image.bitmaps.forget(index);
      image.noteChange();
    }
  }
  await image.commit();
  const layout = { ...image.layout, maxTableEntries };
  await replaceMetadata(image, image.footer, changedDynamicHeader(image.header, { maxTableEntries }));
  image.layout = layout;
  image.table.relocate(layout);
  const blocks = await BlockList.of(image, signal);
  const end = blocks.count === 0 ? 0 : blocks.offsetAt(blocks.count - 1) + image.storedBlockBytes;
  const endOffset = Math.max(end, structuresEnd(image));
  if (endOffset < image.footerOffset) {
    await cutFile(image, endOffset);
  }
}

async function requireEmpty(
  image: SparseImage,
  below: ParentContent,
  from: number,
  { signal, onProgress }: LongCall,
): Promise<void> {
  const piece = Buffer.allocUnsafe(pieceBytes);
  const length = image.diskBytes - from;
  for await (const extent of sparseExtents(image, from, length, signal)) {
    const end = extent.offset + extent.length;
    if (
      extent.state === 'zero' ||
      (extent.state === 'parent' && (await below.isKnownZero(extent.offset, extent.length)))
    ) {
      continue;
    }
    for (let at = extent.offset; at < end; at += piece.length) {
      signal?.throwIfAborted();
      const content = piece.subarray(0, Math.min(piece.length, end - at));
      if (extent.fileOffset === undefined) {
        await below.read(content, at);
      } else {
        await image.file.read(content, extent.fileOffset + at - extent.offset);
      }
      if (!isZero(content)) {
        throw tailHoldsData(image.file.path, from);
      }
      onProgress?.(at - from, length);
    }
  }
}
