import { CheckpointError } from '../../model/checkpoint-error.ts';
import { readParent } from './block-reader.ts';
import { changeMetadata } from './change-metadata.ts';
import type { VhdxImage } from './image.ts';
import { encodeFileParameters } from './metadata-table.ts';
import { encodeParentLocator, newParentLocator, type ParentLocator } from './parent-locator.ts';
import { visitBlocks, type PresentBlock } from './space.ts';
import { mebibyte, metadataItem, payloadBlock, sectorBitmapBlock } from './structures.ts';

/**
 * Writes another parent into a differencing disk. Nothing else uses it meanwhile.
 * @param linkage the parent's DataWriteGuid
 * @throws UnsupportedDisk for a disk that stands alone: its empty blocks are zeros, and would become the parent's
 */
export async function setParent(image: VhdxImage, linkage: string, relativePath: string): Promise<void> {
  requireDifferencing(image);
  await writeLocator(image, newParentLocator(linkage, relativePath, image.file.path));
}

/** Lets the disk match its parent as it is and as it is going to be ([MS-VHDX] 2.6.2.6.3, note 12). */
export async function expectDataWriteGuid(image: VhdxImage, linkage: string, coming: string): Promise<void> {
  requireDifferencing(image);
  const locator = new Map(image.locator);
  locator.set('parent_linkage', `{${linkage}}`);
  locator.set('parent_linkage2', `{${coming}}`);
  await writeLocator(image, locator);
}

async function writeLocator(image: VhdxImage, locator: ParentLocator): Promise<void> {
  const content = encodeParentLocator(locator, image.file.path);
  await changeMetadata(image, new Map([[metadataItem.ParentLocator, content]]));
}

function requireDifferencing(image: VhdxImage): void {
  if (!image.metadata.hasParent) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The VHDX ${image.file.path} stands alone and cannot be put on a parent. Make a new layer on that parent.`,
      { path: image.file.path, field: 'HasParent' },
    );
  }
}

/**
 * Makes a differencing disk one that stands alone. Sectors of partially present blocks that are not in this file are
 * taken from the parent when it is attached, and are zero otherwise; blocks that are not there at all become zero.
 */
export async function removeParent(image: VhdxImage): Promise<void> {
  if (!image.metadata.hasParent) {
    return;
  }
  await image.beforeFileChange();
  const piece = Buffer.allocUnsafe(mebibyte);
  await visitBlocks(image.bat, (block) =>
    block.kind === 'payload' && block.state === payloadBlock.partiallyPresent
      ? completeBlock(image, block, piece)
      : undefined,
  );
  await image.commit();
  await visitBlocks(image.bat, (block) => (block.kind === 'sectorBitmap' ? dropSectorBitmap(image, block) : undefined));
  await changeMetadata(
    image,
    new Map([
      [metadataItem.FileParameters, encodeFileParameters(image.metadata.blockSizeBytes, 0)],
      [metadataItem.ParentLocator, undefined],
    ]),
  );
  image.parent = undefined;
  image.reload();
}

async function completeBlock(image: VhdxImage, block: PresentBlock, piece: Buffer): Promise<void> {
  const { blockSizeBytes, logicalSectorBytes, virtualDiskSizeBytes } = image.bat.geometry;
  const blockStart = block.number * blockSizeBytes;
  const sectors = Math.min(blockSizeBytes, virtualDiskSizeBytes - blockStart) / logicalSectorBytes;
  for (let sector = 0; sector < sectors;) {
    const { isPresent, end } = (await image.bitmaps.of(block.number)).run(sector, sectors);
    for (let at = sector * logicalSectorBytes; at < end * logicalSectorBytes && !isPresent; at += piece.length) {
      const content = piece.subarray(0, Math.min(piece.length, end * logicalSectorBytes - at));
      await readParent(image.parent, content, blockStart + at);
      await image.file.write(content, block.fileOffset + at);
    }
    sector = end;
  }
  await image.bat.setPayload(block.number, payloadBlock.fullyPresent, block.fileOffset);
  await image.commitIfMany();
}

async function dropSectorBitmap(image: VhdxImage, block: PresentBlock): Promise<void> {
  await image.bat.setSectorBitmap(block.number, sectorBitmapBlock.notPresent, 0);
  image.space.free({ offset: block.fileOffset, length: block.length });
  image.pages.forget(block.fileOffset, block.length);
  await image.commitIfMany();
}
