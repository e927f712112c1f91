import type { FormatDriver, Layer, OpenLayer } from '../disk.ts';
import type { DiskFile } from '../disk-file.ts';
import { damagedField, readField } from '../structure.ts';
import { createImage } from './create.ts';
import { Headers, readHeaders, type FileRange, type FoundHeaders } from './headers.ts';
import { VhdxImage } from './image.ts';
import { VhdxLayer } from './layer.ts';
import { applyReplay, readReplay, ReplayedFile } from './log-replay.ts';
import { readMetadata, usualMetadata } from './metadata-table.ts';
import { PiecesRead } from '../pieces-read.ts';
import { readRegions, usualRegionTableBytes } from './region-table.ts';
import {
  fileTypeIdentifier,
  fileTypeIdentifierSignature,
  headerBytes,
  headerOffsets,
  regionTableOffsets,
  zeroGuid,
} from './structures.ts';
import { SyncedFile } from './synced-file.ts';

/** VHDX ([MS-VHDX] v20240423): fixed, dynamic and differencing. */
export const vhdxDriver: FormatDriver = {
  async open({ file }: OpenLayer): Promise<Layer> {
    const space = spareSpace ?? Buffer.allocUnsafeSlow(spaceBytes);
    spareSpace = undefined;
    try {
      return await openFrom(file, space);
    } finally {
      spareSpace = space;
    }
  },

  create: createImage,
};

const creatorBytes = fileTypeIdentifier.Creator.offset + fileTypeIdentifier.Creator.length;
/** The structures that lie at fixed places, but for the second copy of the region table. */
const fixedPlaces: readonly FileRange[] = [
  { offset: 0, length: creatorBytes },
  ...headerOffsets.map((offset) => ({ offset, length: headerBytes })),
  { offset: regionTableOffsets[0], length: usualRegionTableBytes },
];
const spaceBytes = [...fixedPlaces, ...usualMetadata].reduce((bytes, { length }) => bytes + length, 0);
/** Used again for the next layer of a chain. */
let spareSpace: Buffer | undefined;

async function openFrom(file: DiskFile, space: Buffer): Promise<Layer> {
  const start = new PiecesRead(file);
  const rest = await fetchAll(start, fixedPlaces, space);
  const creator = await readCreator(start);
  const { replayed, headers, isChanged } = await replayLog(file, start);
  const pieces = isChanged ? new PiecesRead(replayed) : start;
  const regions = await readRegions(pieces, replayed.sizeBytes, headers.log);
  await fetchAll(
    pieces,
    usualMetadata.map(({ offset, length }) => ({ offset: regions.metadata.offset + offset, length })),
    rest,
  );
  const metadata = await readMetadata(pieces, regions.metadata);
  return new VhdxLayer(new VhdxImage({ file: replayed, headers, regions, metadata, creator }));
}

/** @returns what is left of the space */
async function fetchAll(pieces: PiecesRead, places: readonly FileRange[], space: Buffer): Promise<Buffer> {
  let used = 0;
  await Promise.all(
    places.map(({ offset, length }) => {
      const buffer = space.subarray(used, used + length);
      used += length;
      return pieces.fetch(buffer, offset);
    }),
  );
  return space.subarray(used);
}

async function readCreator(file: PiecesRead): Promise<string> {
  const identifier = await file.bytes(0, creatorBytes);
  if (
    identifier.length < creatorBytes ||
    readField(identifier, fileTypeIdentifier.Signature).toString('latin1') !== fileTypeIdentifierSignature
  ) {
    throw damagedField(file.path, 'file type identifier', 'its signature is missing');
  }
  const creator = readField(identifier, fileTypeIdentifier.Creator).toString('utf16le');
  return creator.split('\0', 1)[0] ?? '';
}

interface ReplayedLog {
  replayed: SyncedFile;
  headers: FoundHeaders;
  /** Whether there was a log, so that what was read before need not be so any more. */
  isChanged: boolean;
}

/** The log comes before all else that is read ([MS-VHDX] 2.3.3): on the file, or, when it is open for reading, in memory. */
async function replayLog(file: DiskFile, start: PiecesRead): Promise<ReplayedLog> {
  const sizeBytes = await file.size();
  const found = await readHeaders(start, sizeBytes);
  const { LogGuid } = found.values;
  if (LogGuid === zeroGuid) {
    return { replayed: new SyncedFile(file, sizeBytes), headers: found, isChanged: false };
  }
  const replay = await readReplay(file, found.log, LogGuid, sizeBytes);
  if (file.isReadOnly) {
    const replayed = new SyncedFile(new ReplayedFile(file, replay), replay.fileSizeBytes);
    return { replayed, headers: found, isChanged: true };
  }
  const synced = new SyncedFile(file, sizeBytes);
  const headers = new Headers(synced, found);
  // A new FileWriteGuid before the first change; then the log goes out of use, but not before all of it is in its place.
  await headers.update({});
  await applyReplay(synced, replay);
  await headers.update({ LogGuid: zeroGuid });
  await synced.sync();
  return { replayed: synced, headers: await readHeaders(new PiecesRead(synced), synced.sizeBytes), isChanged: true };
}
