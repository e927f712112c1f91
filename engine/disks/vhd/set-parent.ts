import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { Layer } from '../disk.ts';
import { unusedEntry } from './block-allocation-table.ts';
import {
  changedDynamicHeader,
  dynamicHeaderBytes,
  type DynamicHeaderValues,
  type ParentLocatorEntry,
} from './dynamic-header.ts';
import { fillZero } from './file-zero.ts';
import { changedFooter, diskTypes, footerBytes, sectorBytes, uniqueIdBytes } from './footer.ts';
import { locatorBytes, parentLocatorsFor, unicodeNameBytes, type ParentLocator } from './parent-locator.ts';
import { append, replaceMetadata } from './replace-metadata.ts';
import type { SparseImage } from './sparse-image.ts';

/** What a header says of a parent, and the locators' bytes, which go to offsets of their own. */
export interface ParentFields {
  values: Pick<DynamicHeaderValues, 'parentUniqueId' | 'parentTimeStamp' | 'parentUnicodeName'>;
  locators: ParentLocator[];
  /** All locators' bytes one after another, each padded to whole sectors. */
  bytes: Buffer;
  /** @returns the header's entries, given where `bytes` are put */
  entries(offset: number): ParentLocatorEntry[];
}

/** @throws UnsupportedDisk unless the parent is a VHD */
export function parentFields(parent: { layer: Layer; relativePath: string }, childPath: string): ParentFields {
  const uniqueId = parent.layer.identity['unique_id'];
  if (parent.layer.format !== 'vhd' || uniqueId === undefined) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The parent of a VHD must be a VHD, and ${parent.layer.file.path} is ${parent.layer.format}. ` +
        `Make ${childPath} in that format.`,
      { path: childPath, found: parent.layer.format },
    );
  }
  const { locators, unicodeName } = parentLocatorsFor(parent.layer.file.path, parent.relativePath);
  const texts = locators.map(locatorBytes);
  const spaces = texts.map((text) => Math.ceil(text.length / sectorBytes) * sectorBytes);
  const starts = spaces.map((_, index) => spaces.slice(0, index).reduce((sum, space) => sum + space, 0));
  const bytes = Buffer.alloc(spaces.reduce((sum, space) => sum + space, 0));
  texts.forEach((text, index) => text.copy(bytes, starts[index]));
  return {
    values: {
      parentUniqueId: uniqueIdBytes(uniqueId),
      // Of no use to anyone who has the unique id; Windows leaves it 0 as well.
      parentTimeStamp: 0,
      parentUnicodeName: unicodeNameBytes(unicodeName),
    },
    locators,
    bytes,
    entries: (offset) =>
      locators.map(({ platformCode }, index) => ({
        platformCode: Buffer.from(platformCode, 'latin1'),
        // In bytes, as Windows writes it; the specification says sectors.
        platformDataSpace: spaces[index] ?? 0,
        platformDataLength: texts[index]?.length ?? 0,
        reserved: 0,
        platformDataOffset: BigInt(offset + (starts[index] ?? 0)),
      })),
  };
}

/** Writes another parent into a differencing disk. */
export async function replaceParent(image: SparseImage, parent: { layer: Layer; relativePath: string }): Promise<void> {
  if (!image.isDifferencing) {
    throw new CheckpointError(
      'InvalidArgument',
      `The disk ${image.file.path} stands alone: its content would change if it were given a parent.`,
      { path: image.file.path },
    );
  }
  const fields = parentFields(parent, image.file.path);
  const offset = (await placeBeforeTable(image, fields.bytes)) ?? (await append(image, fields.bytes));
  await replaceMetadata(image, image.footer, changedDynamicHeader(image.header, fields.values, fields.entries(offset)));
  image.locators = fields.locators;
}

/**
 * Makes a differencing disk one that stands alone. Nobody looks at a dynamic disk's bitmaps for its content, so the
 * sectors that were not in the file, of which nobody saw what is stored there, become zero first.
 */
export async function leaveParent(image: SparseImage): Promise<void> {
  if (!image.isDifferencing) {
    return;
  }
  for await (const run of image.table.scan()) {
    for (let at = 0; at < run.count; at++) {
      const entry = run.entry(at);
      if (entry !== unusedEntry) {
        await zeroAbsentSectors(image, run.firstIndex + at, entry);
      }
    }
  }
  await image.file.sync();
  await replaceMetadata(
    image,
    changedFooter(image.footer, { diskType: diskTypes.dynamic }),
    changedDynamicHeader(
      image.header,
      { parentUniqueId: Buffer.alloc(16), parentTimeStamp: 0, parentUnicodeName: Buffer.alloc(512) },
      [],
    ),
  );
  image.locators = [];
}

async function zeroAbsentSectors(image: SparseImage, index: number, entry: number): Promise<void> {
  const bitmap = await image.bitmaps.get(index);
  if (bitmap.isFull) {
    return;
  }
  const data = image.dataOffset(index, entry, 0);
  for (let sector = 0; sector < bitmap.sectors;) {
    const end = bitmap.runEnd(sector, bitmap.sectors);
    if (!bitmap.has(sector)) {
      const length = Math.min((end - sector) * sectorBytes, image.fileBytes - data - sector * sectorBytes);
      await fillZero(image.file, data + sector * sectorBytes, Math.max(0, length));
    }
    sector = end;
  }
}

/**
 * Puts locators into free space between the header and the table, where no later growth of the disk meets them.
 * @returns undefined when there is not enough of it
 */
async function placeBeforeTable(image: SparseImage, bytes: Buffer): Promise<number | undefined> {
  const limit = Math.min(image.layout.tableOffset, await image.firstBlockOffset());
  const taken = image.header.locators
    .filter((locator) => locator.platformDataLength > 0)
    .map((locator) => ({
      from: Number(locator.platformDataOffset),
      to: Number(locator.platformDataOffset) + locator.platformDataLength,
    }))
    .concat({ from: 0, to: footerBytes }, { from: image.headerOffset, to: image.headerOffset + dynamicHeaderBytes });
  for (const { to } of taken) {
    const from = Math.ceil(to / sectorBytes) * sectorBytes;
    const end = from + bytes.length;
    if (end <= limit && taken.every((other) => other.to <= from || other.from >= end)) {
      await image.file.write(bytes, from);
      await image.file.sync();
      return from;
    }
  }
  return undefined;
}
