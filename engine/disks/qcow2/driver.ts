import path from 'node:path';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { FormatDriver, OpenLayer } from '../disk.ts';
import type { DiskFile } from '../disk-file.ts';
import { damagedField } from '../structure.ts';
import { requireFilePath } from './backing-file.ts';
import { createImage } from './create.ts';
import { geometryOf } from './geometry.ts';
import { extensionType, findExtension } from './header-extensions.ts';
import { readHeader, refuseCorrupt, type Qcow2Header } from './header.ts';
import { ImageFile } from './image-file.ts';
import { Qcow2Layer } from './layer.ts';

/** QEMU docs/interop/qcow2, versions 2 and 3. `open` gives a {@link Qcow2Layer}, which also has internal snapshots. */
export const qcow2Driver = {
  async open(options: OpenLayer): Promise<Qcow2Layer> {
    const { file } = options;
    const [header, sizeBytes] = await Promise.all([
      readHeader((buffer, offset) => file.read(buffer, offset), file.path),
      file.size(),
    ]);
    if (!file.isReadOnly) {
      refuseCorrupt(header, file.path);
    }
    requireTablesInside(header, sizeBytes, file.path);
    const dataFile = header.hasExternalDataFile ? await openDataFile(header, options) : undefined;
    return new Qcow2Layer(new ImageFile(file, sizeBytes, header, dataFile));
  },

  create: createImage,
} satisfies FormatDriver;

/** @throws ImageDamaged */
function requireTablesInside(header: Qcow2Header, sizeBytes: number, path: string): void {
  const { l2Coverage } = geometryOf(header);
  if (header.l1Size * l2Coverage < header.virtualSizeBytes) {
    throw damagedField(path, 'l1_size', `${header.l1Size} entries are too few for ${header.virtualSizeBytes} bytes`);
  }
  if (header.l1TableOffset + header.l1Size * 8 > sizeBytes) {
    throw damagedField(path, 'l1_table_offset', `the table does not lie inside the file, which has ${sizeBytes} bytes`);
  }
  if (header.refcountTableOffset >= sizeBytes) {
    throw damagedField(path, 'refcount_table_offset', `it is ${header.refcountTableOffset}, behind the file's end`);
  }
  if (header.nbSnapshots > 0 && header.snapshotsOffset >= sizeBytes) {
    throw damagedField(path, 'snapshots_offset', `it is ${header.snapshotsOffset}, behind the file's end`);
  }
}

/** Opens the file with the guest's clusters by the caller's rules. */
async function openDataFile(header: Qcow2Header, { file, openOther }: OpenLayer): Promise<DiskFile> {
  const name = findExtension(header.extensions, extensionType.externalDataFile)?.content.toString('utf8');
  if (name === undefined || name === '' || name.includes('\0')) {
    throw damagedField(file.path, 'external data file name', 'it is missing');
  }
  requireFilePath(name, 'external data file name', file.path);
  if (openOther === undefined) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The disk ${file.path} keeps its content in another file, ${name}, which may not be opened here.`,
      { path: file.path, field: 'external data file name', found: name },
    );
  }
  return openOther(path.resolve(path.dirname(file.path), name));
}
