import type { FormatDriver, Layer, OpenLayer } from '../disk.ts';
import type { DiskFile } from '../disk-file.ts';
import { damagedField, readField } from '../structure.ts';
import { createImage } from './create.ts';
import { Headers, readHeaders, type FoundHeaders } from './headers.ts';
import { VhdxImage } from './image.ts';
import { VhdxLayer } from './layer.ts';
import { applyReplay, readReplay, ReplayedFile } from './log-replay.ts';
import { readMetadata } from './metadata-table.ts';
import { readRegions } from './region-table.ts';
import { fileTypeIdentifier, fileTypeIdentifierSignature, zeroGuid } from './structures.ts';
import { SyncedFile } from './synced-file.ts';

/** VHDX ([MS-VHDX] v20240423): fixed, dynamic and differencing. */
export const vhdxDriver: FormatDriver = {
  async open({ file }: OpenLayer): Promise<Layer> {
    const creator = await readCreator(file);
    const { replayed, headers } = await replayLog(file);
    const regions = await readRegions(replayed, replayed.sizeBytes, headers.log);
    const metadata = await readMetadata(replayed, regions.metadata);
    return new VhdxLayer(new VhdxImage({ file: replayed, headers, regions, metadata, creator }));
  },

  create: createImage,
};

async function readCreator(file: DiskFile): Promise<string> {
  const identifier = Buffer.alloc(fileTypeIdentifier.Creator.offset + fileTypeIdentifier.Creator.length);
  await file.read(identifier, 0);
  if (readField(identifier, fileTypeIdentifier.Signature).toString('latin1') !== fileTypeIdentifierSignature) {
    throw damagedField(file.path, 'file type identifier', 'its signature is missing');
  }
  const creator = readField(identifier, fileTypeIdentifier.Creator).toString('utf16le');
  return creator.split('\0', 1)[0] ?? '';
}

/** The log comes before all else that is read ([MS-VHDX] 2.3.3): on the file, or, when it is open for reading, in memory. */
async function replayLog(file: DiskFile): Promise<{ replayed: SyncedFile; headers: FoundHeaders }> {
  const sizeBytes = await file.size();
  const found = await readHeaders(file, sizeBytes);
  const { LogGuid } = found.values;
  if (LogGuid === zeroGuid) {
    return { replayed: new SyncedFile(file, sizeBytes), headers: found };
  }
  const replay = await readReplay(file, found.log, LogGuid, sizeBytes);
  if (file.isReadOnly) {
    return { replayed: new SyncedFile(new ReplayedFile(file, replay), replay.fileSizeBytes), headers: found };
  }
  const synced = new SyncedFile(file, sizeBytes);
  const headers = new Headers(synced, found);
  // A new FileWriteGuid before the first change; then the log goes out of use, but not before all of it is in its place.
  await headers.update({});
  await applyReplay(synced, replay);
  await headers.update({ LogGuid: zeroGuid });
  await synced.sync();
  return { replayed: synced, headers: await readHeaders(synced, synced.sizeBytes) };
}
