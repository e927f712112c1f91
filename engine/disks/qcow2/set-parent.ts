import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFormat } from '../../model/machine.ts';
import { writeStructure } from '../structure.ts';
import { autoclear, headerTable } from './header.ts';
import { backingFormatName } from './backing-file.ts';
import { requireBackingName } from './create.ts';
import { encodeExtensions, extensionType, type HeaderExtension } from './header-extensions.ts';
import type { ImageFile } from './image-file.ts';

/** Disks write this much whole or not at all. */
const sectorBytes = 512;

/**
 * Writes another backing file's name and format into the header. The name goes to a free place of the first cluster;
 * once it is durable, one sector with the header and its extensions lets the header point to it.
 * @throws InvalidArgument when the name does not fit; UnsupportedDisk
 */
export async function writeBackingFile(
  image: ImageFile,
  backing: { name: string; format: DiskFormat } | undefined,
): Promise<void> {
  const { header, path } = image;
  if (backing !== undefined) {
    requireBackingName(backing.name, path);
    if ((header.autoclearFeatures & autoclear.rawExternalData) !== 0n) {
      throw new CheckpointError(
        'UnsupportedDisk',
        `The disk ${path} keeps its content in a raw file beside it, and so cannot have a parent.`,
        { path, field: 'autoclear_features' },
      );
    }
  }
  const first = Buffer.alloc(header.clusterSize);
  await image.read(first, 0);

  const { extensions, area } = fittingExtensions(image, backing?.format);
  const areaEnd = header.headerLength + area.length;
  const name = Buffer.from(backing?.name ?? '');
  const nameOffset = backing === undefined ? 0 : placeOfName(image, areaEnd, name.length);
  const oldAreaEnd = header.backingFileOffset === 0 ? sectorBytes : Math.min(header.backingFileOffset, sectorBytes);

  const sector = Buffer.from(first.subarray(0, sectorBytes));
  writeStructure(sector, headerTable, { backingFileOffset: BigInt(nameOffset), backingFileSize: name.length });
  // The old name stays where it is until the header points elsewhere, and the area's end mark ends what lies behind it.
  area.copy(sector, header.headerLength);
  if (areaEnd < oldAreaEnd) {
    sector.fill(0, areaEnd, oldAreaEnd);
  }
  if (nameOffset > 0 && nameOffset < sectorBytes) {
    name.copy(sector, nameOffset);
  }
  if (nameOffset + name.length > sectorBytes) {
    const from = Math.max(nameOffset, sectorBytes);
    await image.write(name.subarray(from - nameOffset), from);
    await image.sync();
  }
  await image.write(sector, 0);
  await image.sync();

  header.extensions = extensions;
  header.backingFileOffset = nameOffset;
  if (backing === undefined) {
    delete header.backingFile;
    delete header.backingFormat;
  } else {
    header.backingFile = backing.name;
    header.backingFormat = backingFormatName(backing.format);
  }
}

/** The extensions with the new format, in one sector with the header, without the optional table of names if need be. */
function fittingExtensions(
  image: ImageFile,
  format: DiskFormat | undefined,
): { extensions: HeaderExtension[]; area: Buffer } {
  const { header, path } = image;
  const kept = header.extensions.filter(({ type }) => type !== extensionType.backingFormat);
  const own =
    format === undefined
      ? []
      : [{ type: extensionType.backingFormat, content: Buffer.from(backingFormatName(format)) }];
  const withoutNames = kept.filter(({ type }) => type !== extensionType.featureNameTable);
  for (const others of [kept, withoutNames]) {
    const extensions = [...own, ...others];
    const area = encodeExtensions(extensions);
    if (header.headerLength + area.length <= sectorBytes) {
      return { extensions, area };
    }
  }
  throw new CheckpointError(
    'UnsupportedDisk',
    `The header of ${path} has extensions that are too long to be rewritten safely. Convert it to a new image.`,
    { path, field: 'header extension length' },
  );
}

/** A place of the first cluster behind the extensions that does not touch the present name, which a crash may bring back. */
function placeOfName(image: ImageFile, areaEnd: number, length: number): number {
  const { header, path } = image;
  const oldStart = header.backingFileOffset;
  const oldEnd = oldStart + Buffer.byteLength(header.backingFile ?? '');
  // Within the one sector everything changes at once, the name too.
  if (areaEnd + length <= sectorBytes && (oldStart === 0 || oldEnd <= sectorBytes)) {
    return areaEnd;
  }
  for (const place of [areaEnd, Math.max(areaEnd, oldEnd)]) {
    const isFree = oldStart === 0 || place + length <= oldStart || place >= oldEnd;
    if (isFree && place + length <= header.clusterSize) {
      return place;
    }
  }
  throw new CheckpointError(
    'InvalidArgument',
    `The parent's path has ${length} bytes, more than the header of ${path} has room for. Use a shorter one.`,
    { path, field: 'backing_file_size' },
  );
}
