import type { BlockList } from './block-list.ts';
import { dynamicHeaderBytes, tableBytesOf } from './dynamic-header.ts';
import { footerBytes, sectorBytes } from './footer.ts';
import type { SparseImage } from './sparse-image.ts';

/** A range of the file, in bytes. */
export interface FileRange {
  from: number;
  to: number;
}

/** The file's structures but blocks and the last footer, by rising offset. */
export function structures(image: SparseImage): FileRange[] {
  const { tableOffset, maxTableEntries } = image.layout;
  return [
    { from: 0, to: footerBytes },
    { from: image.headerOffset, to: image.headerOffset + dynamicHeaderBytes },
    { from: tableOffset, to: tableOffset + Math.ceil((maxTableEntries * 4) / sectorBytes) * sectorBytes },
    ...locatorRanges(image),
    ...batmapRange(image),
  ].sort((a, b) => a.from - b.from);
}

/**
 * XenServer keeps a header and a bit for each block behind the table, and does not open its disks without them
 * (`tdbatmap`). Nothing there has to change: a bit says that a block is full, and blocks never get less full here.
 */
function batmapRange({ footer, layout }: SparseImage): FileRange[] {
  if (footer.values.creatorApplication.toString('latin1') !== 'tap\0') {
    return [];
  }
  const from = layout.tableOffset + tableBytesOf(layout.maxTableEntries);
  const mapBytes = Math.ceil(layout.maxTableEntries / 8 / sectorBytes) * sectorBytes;
  return [{ from, to: from + sectorBytes + mapBytes }];
}

/** Where the parent locators' texts are, with the space that is kept for them. */
function locatorRanges(image: SparseImage): FileRange[] {
  return image.header.locators.flatMap(({ platformDataLength, platformDataSpace, platformDataOffset }) => {
    const from = Number(platformDataOffset);
    // The space is in bytes in files by Windows, and in sectors by the specification.
    const space = platformDataSpace >= platformDataLength ? platformDataSpace : platformDataSpace * sectorBytes;
    const bytes = Math.ceil(Math.max(space, platformDataLength) / sectorBytes) * sectorBytes;
    return platformDataLength === 0 || from + platformDataLength > image.fileBytes
      ? []
      : [{ from, to: Math.min(from + bytes, Math.max(from + platformDataLength, image.footerOffset)) }];
  });
}

/** Where the structures end that are not blocks: the file cannot be shorter. */
export function structuresEnd(image: SparseImage): number {
  return Math.max(...structures(image).map((range) => range.to));
}

/**
 * Goes over the free ranges between structures and blocks, by rising offset, up to a limit.
 * @param isKept says which blocks count; all by default
 */
export function* freeRanges(
  image: SparseImage,
  blocks: BlockList,
  limit: number,
  isKept: (place: number) => boolean = () => true,
): Generator<FileRange> {
  const fixed = structures(image);
  let end = 0;
  let place = 0;
  let structure = 0;
  while (place < blocks.count || structure < fixed.length) {
    const block = place < blocks.count ? blocks.offsetAt(place) : Infinity;
    const other = fixed[structure];
    let next: FileRange;
    if (other !== undefined && other.from <= block) {
      next = other;
      structure++;
    } else {
      const isCounted = isKept(place);
      place++;
      if (!isCounted) {
        continue;
      }
      next = { from: block, to: block + image.storedBlockBytes };
    }
    if (next.from >= limit) {
      break;
    }
    if (next.from > end) {
      yield { from: end, to: next.from };
    }
    end = Math.max(end, next.to);
  }
  if (limit > end) {
    yield { from: end, to: limit };
  }
}
