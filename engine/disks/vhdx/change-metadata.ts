import { CheckpointError } from '../../model/checkpoint-error.ts';
import { PiecesRead } from '../pieces-read.ts';
import type { VhdxImage } from './image.ts';
import { encodeMetadataTable, readMetadata, type MetadataEntry } from './metadata-table.ts';
import { decodeParentLocator } from './parent-locator.ts';
import {
  metadataFlag,
  metadataItem,
  metadataTableBytes,
  metadataTableEntryBytes,
  metadataTableHeaderBytes,
  mostTableEntries,
} from './structures.ts';

/** System items by their ids, as they are to become; undefined for one that goes away. */
export type MetadataChange = ReadonlyMap<string, Buffer | undefined>;

/**
 * Changes metadata durably: a crash leaves all of the old or all of the new. Nothing else is written meanwhile.
 * @param withIt further changes in memory that belong into the same log entry
 */
export async function changeMetadata(
  image: VhdxImage,
  change: MetadataChange,
  withIt?: () => Promise<void>,
): Promise<void> {
  await image.beforeFileChange();
  // So that what follows stands alone in one log entry.
  await image.commit();
  const { region } = image.metadata;
  let entries = image.metadata.entries.map((entry) => ({ ...entry }));
  for (const [itemId, content] of change) {
    const isItem = (entry: MetadataEntry): boolean =>
      entry.itemId === itemId && (entry.flags & metadataFlag.IsUser) === 0;
    const old = entries.find(isItem);
    if (content === undefined) {
      entries = entries.filter((entry) => !isItem(entry));
      continue;
    }
    const offset =
      old?.length === content.length ? old.offset : freeOffset(image, [...image.metadata.entries, ...entries], content);
    if (old === undefined) {
      entries.push({ itemId, flags: metadataFlag.IsRequired, offset, length: content.length });
    } else {
      Object.assign(old, { offset, length: content.length });
    }
    await image.pages.overwrite(region.offset + offset, content, itemId);
  }
  const table = Buffer.alloc(
    metadataTableHeaderBytes + Math.max(entries.length, image.metadata.entries.length) * metadataTableEntryBytes,
  );
  encodeMetadataTable(entries).copy(table);
  await image.pages.overwrite(region.offset, table, 'metadata table');
  await withIt?.();
  await image.commit();
  image.metadata = await readMetadata(new PiecesRead(image.file), region);
  const locator = image.metadata.parentLocator;
  image.locator = locator === undefined ? undefined : decodeParentLocator(locator, image.file.path);
}

/** Room in the metadata region that no item takes, now or before the change. */
function freeOffset(image: VhdxImage, entries: readonly MetadataEntry[], content: Buffer): number {
  let offset = metadataTableBytes;
  for (const entry of [...entries].sort((one, other) => one.offset - other.offset)) {
    if (entry.offset >= offset + content.length) {
      break;
    }
    offset = Math.max(offset, entry.offset + entry.length);
  }
  if (offset + content.length > image.metadata.region.length || entries.length > 2 * mostTableEntries) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The metadata region of ${image.file.path} is full. Convert the disk, and use the copy.`,
      { path: image.file.path, field: metadataItem.ParentLocator, bytesShort: content.length },
    );
  }
  return offset;
}
