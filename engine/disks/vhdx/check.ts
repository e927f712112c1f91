import type { Fault, LongCall } from '../disk.ts';
import { PiecesRead } from '../pieces-read.ts';
import { closeGaps, newUnitMap } from './compact.ts';
import type { BatEntry } from './block-allocation-table.ts';
import type { VhdxImage } from './image.ts';
import { damagedCopies, readRegions, wholeTable } from './region-table.ts';
import { mebibyte, payloadBlock, regionTableOffsets, sectorBitmapBlock, sectorBitmapBlockBytes } from './structures.ts';
import type { UnitMap } from './unit-map.ts';

/** More faults than this tell nothing new. */
const mostFaults = 1000;

/** Examines headers, tables and the places of all blocks. What cannot be mended for certain is left as it is. */
export async function checkImage(image: VhdxImage, options: LongCall & { repair: boolean }): Promise<Fault[]> {
  const faults: Fault[] = [
    ...(await checkHeaders(image, options.repair)),
    ...(await checkRegions(image, options.repair)),
  ];
  const map = newUnitMap(image);
  await checkBlocks(image, map, faults, options);
  faults.push(...(await checkSpace(image, map, faults, options)));
  return faults;
}

async function checkHeaders(image: VhdxImage, repair: boolean): Promise<Fault[]> {
  const damaged = image.found.headers.damagedSlots;
  if (damaged.length > 0 && repair) {
    // The first change of a session writes both.
    await image.beforeFileChange();
  }
  return damaged.map((slot) => ({
    severity: 'error',
    field: `header ${slot + 1}`,
    message: `The header ${slot + 1} has a wrong signature or checksum; the other one is used.`,
    isRepaired: repair,
  }));
}

async function checkRegions(image: VhdxImage, repair: boolean): Promise<Fault[]> {
  const damaged = await damagedCopies(new PiecesRead(image.file), image.regions);
  if (damaged.length > 0 && repair) {
    await image.beforeFileChange();
    for (const offset of regionTableOffsets) {
      await image.pages.overwrite(offset, wholeTable(image.regions), 'region table');
    }
    await image.commit();
    image.regions = await readRegions(new PiecesRead(image.file), image.file.sizeBytes, image.found.headers.log);
  }
  return damaged.map((copy) => ({
    severity: 'error',
    field: `region table ${copy + 1}`,
    message: `The copy ${copy + 1} of the region table is damaged or differs; the other one is used.`,
    isRepaired: repair,
  }));
}

async function checkBlocks(
  image: VhdxImage,
  map: UnitMap,
  faults: Fault[],
  options: LongCall & { repair: boolean },
): Promise<void> {
  const { bat } = image;
  const { entryCount, chunkRatio, payloadBlocks } = bat.geometry;
  for (let index = 0; index < entryCount && faults.length < mostFaults;) {
    options.signal?.throwIfAborted();
    index = await bat.skipZeros(index);
    if (index === entryCount) {
      return;
    }
    const end = Math.min(entryCount, bat.nextPageIndex(index));
    let page = bat.peek(index) ?? (await bat.load(index));
    if (page.isZero) {
      index = end;
    }
    for (; index < end && faults.length < mostFaults; index++) {
      const chunk = Math.floor(index / (chunkRatio + 1));
      const isSectorBitmap = index === bat.sectorBitmapIndex(chunk);
      if (!isSectorBitmap && index - chunk >= payloadBlocks) {
        continue;
      }
      const entry = bat.raw(page, index);
      if (entry.state === 0) {
        continue;
      }
      const fault = isSectorBitmap
        ? checkSectorBitmap(image, entry, map)
        : checkPayload(image, entry, index - chunk, map);
      if (fault !== undefined) {
        faults.push({ severity: 'error', field: `BAT entry ${index}`, message: fault, isRepaired: false });
      } else if (entry.state === payloadBlock.partiallyPresent) {
        faults.push(...(await checkBitmapOf(image, chunk, index)));
        page = bat.peek(index) ?? (await bat.load(index));
      }
    }
    options.onProgress?.(end, entryCount);
  }
}

function checkPayload(image: VhdxImage, entry: BatEntry, block: number, map: UnitMap): string | undefined {
  const problem = image.bat.payloadProblem(entry);
  if (problem !== undefined) {
    return `The block ${block} is damaged: ${problem}.`;
  }
  if (entry.state !== payloadBlock.fullyPresent && entry.state !== payloadBlock.partiallyPresent) {
    return undefined;
  }
  const { blockSizeBytes, virtualDiskSizeBytes } = image.bat.geometry;
  const needed = Math.min(blockSizeBytes, virtualDiskSizeBytes - block * blockSizeBytes);
  if (entry.fileOffset + needed > image.file.sizeBytes) {
    return `The block ${block} ends beyond the end of the file, at byte ${entry.fileOffset + needed}.`;
  }
  const from = entry.fileOffset / mebibyte;
  return map.take(from, from + blockSizeBytes / mebibyte)
    ? undefined
    : `The block ${block} lies where another structure lies, at byte ${entry.fileOffset}.`;
}

function checkSectorBitmap(image: VhdxImage, entry: BatEntry, map: UnitMap): string | undefined {
  const problem = image.bat.sectorBitmapProblem(entry);
  if (problem !== undefined) {
    return `A sector bitmap block is damaged: ${problem}.`;
  }
  if (!image.metadata.hasParent) {
    return 'A disk without a parent has a sector bitmap block.';
  }
  if (entry.fileOffset + sectorBitmapBlockBytes > image.file.sizeBytes) {
    return `A sector bitmap block ends beyond the end of the file, at byte ${entry.fileOffset + sectorBitmapBlockBytes}.`;
  }
  const from = entry.fileOffset / mebibyte;
  return map.take(from, from + 1)
    ? undefined
    : `A sector bitmap block lies where another structure lies, at byte ${entry.fileOffset}.`;
}

async function checkBitmapOf(image: VhdxImage, chunk: number, index: number): Promise<Fault[]> {
  const { bat } = image;
  const bitmapIndex = bat.sectorBitmapIndex(chunk);
  const { state } = bat.raw(bat.peek(bitmapIndex) ?? (await bat.load(bitmapIndex)), bitmapIndex);
  return state === sectorBitmapBlock.present
    ? []
    : [
        {
          severity: 'error',
          field: `BAT entry ${index}`,
          message: 'A block is partially present, but the bitmap that says which of its sectors are is not there.',
          isRepaired: false,
        },
      ];
}

/** Space that nothing refers to. It is given back only when nothing else is wrong. */
async function checkSpace(
  image: VhdxImage,
  map: UnitMap,
  faults: readonly Fault[],
  options: LongCall & { repair: boolean },
): Promise<Fault[]> {
  if (image.metadata.leaveBlockAllocated || faults.some(({ isRepaired }) => !isRepaired)) {
    return [];
  }
  const lostBytes = image.file.sizeBytes - map.takenUnits * mebibyte;
  if (lostBytes < mebibyte) {
    return [];
  }
  if (options.repair) {
    await image.beforeFileChange();
    await closeGaps(image, options);
  }
  return [
    {
      severity: 'leak',
      field: 'FileOffsetMB',
      message: `No block uses ${lostBytes} bytes of the file. Compacting the disk gives them back.`,
      isRepaired: options.repair,
    },
  ];
}
