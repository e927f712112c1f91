import path from 'node:path';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import type { CreateLayer, FormatDriver, Layer, OpenLayer } from '../disk.ts';
import { damagedField } from '../structure.ts';
import { createSparse } from './create-sparse.ts';
import { longestDescriptorBytes, parseDescriptor, type Descriptor, type ExtentDescription } from './descriptor.ts';
import { readExactly } from './exact-read.ts';
import { FlatExtent, ZeroExtent } from './flat-extent.ts';
import { SparseExtent } from './sparse-extent.ts';
import { readDescriptorPlace, readSparseHeader, type SparseGeometry } from './sparse-header.ts';
import { SparseWriter } from './sparse-writer.ts';
import { sectorBytes, sparseMagic } from './structures.ts';
import type { VmdkExtent } from './vmdk-extent.ts';
import { VmdkLayer } from './vmdk-layer.ts';

/**
 * VMware's virtual disks ("Virtual Disk Format 5.0"): monolithicSparse, streamOptimized, flat, split into extents, and
 * delta links of them, all for reading. Creates monolithicSparse; streamOptimized: see {@link createStreamOptimized}.
 */
export const vmdkDriver: FormatDriver = {
  async open(options: OpenLayer): Promise<Layer> {
    const { file } = options;
    const magic = Buffer.alloc(4);
    await readExactly(file, magic, 0, 'magicNumber');
    if (magic.readUInt32LE(0) !== sparseMagic) {
      return openDescriptor(options, await readDescriptor(file, { offset: 0, length: await file.size() }));
    }
    const geometry = await readSparseHeader(file);
    const place = geometry === undefined ? await readDescriptorPlace(file) : geometry.descriptor;
    // QEMU leaves room for a descriptor in every extent of a split disk, and leaves it empty.
    if (place === undefined || (geometry !== undefined && (await isEmpty(file, place.offset)))) {
      throw new CheckpointError(
        'UnsupportedDisk',
        `The file ${file.path} is one extent of a VMDK. Open the descriptor that names it, a small .vmdk file beside it.`,
        { path: file.path, field: 'descriptorOffset' },
      );
    }
    const descriptor = await readDescriptor(file, place);
    return geometry === undefined ? openDescriptor(options, descriptor) : openMonolithic(file, descriptor, geometry);
  },

  create(options: CreateLayer): Promise<void> {
    return createSparse(options);
  },
};

async function isEmpty(file: DiskFile, offset: number): Promise<boolean> {
  const start = Buffer.alloc(1);
  await readExactly(file, start, offset, 'descriptor');
  return start.readUInt8(0) === 0;
}

async function readDescriptor(file: DiskFile, place: { offset: number; length: number }): Promise<Descriptor> {
  if (place.length > longestDescriptorBytes) {
    throw damagedField(
      file.path,
      'descriptor',
      `it has ${place.length} bytes, at most ${longestDescriptorBytes} are read`,
    );
  }
  const content = Buffer.alloc(place.length);
  await readExactly(file, content, place.offset, 'descriptor');
  return parseDescriptor(content, file.path);
}

async function openMonolithic(file: DiskFile, descriptor: Descriptor, geometry: SparseGeometry): Promise<Layer> {
  const fileBytes = await file.size();
  const extent = new SparseExtent(file, geometry, geometry.capacityBytes, fileBytes);
  // Nothing but metadata: it was created and never written.
  const isFresh =
    fileBytes <= geometry.overHeadBytes &&
    descriptor.parentCid === undefined &&
    !geometry.isCompressed &&
    !geometry.hasZeroedGrains;
  const writer = isFresh && !file.isReadOnly ? new SparseWriter(file, extent) : undefined;
  return new VmdkLayer({
    file,
    descriptor,
    extents: [extent],
    ownExtent: extent,
    writer,
    details: { createType: descriptor.createType, ...sparseDetails(geometry) },
  });
}

async function openDescriptor({ file, openOther }: OpenLayer, descriptor: Descriptor): Promise<Layer> {
  if (descriptor.extents.length === 0) {
    throw damagedField(file.path, 'extents', 'the descriptor names none');
  }
  const opened: VmdkExtent[] = [];
  try {
    for (const description of descriptor.extents) {
      opened.push(await openExtent(file, description, openOther));
    }
  } catch (error) {
    await Promise.allSettled(opened.map((extent) => extent.close()));
    throw error;
  }
  return new VmdkLayer({
    file,
    descriptor,
    extents: opened,
    ownExtent: undefined,
    writer: undefined,
    details: { createType: descriptor.createType, extents: opened.length },
  });
}

async function openExtent(
  file: DiskFile,
  { fileName, offsetSectors, sizeSectors, type }: ExtentDescription,
  openOther: OpenLayer['openOther'],
): Promise<VmdkExtent> {
  const lengthBytes = sizeSectors * sectorBytes;
  if (fileName === undefined) {
    return new ZeroExtent(lengthBytes);
  }
  if (openOther === undefined) {
    throw new CheckpointError(
      'ParentNotAllowed',
      `The disk ${file.path} consists of other files, such as ${fileName}, and they are not opened here.`,
      { path: file.path, field: 'extent', found: fileName },
    );
  }
  const other = await openOther(path.join(path.dirname(file.path), fileName));
  try {
    if (type === 'FLAT' || type === 'VMFS') {
      return await FlatExtent.open(other, offsetSectors * sectorBytes, lengthBytes);
    }
    const geometry = await readSparseHeader(other);
    if (geometry === undefined || geometry.capacityBytes < lengthBytes) {
      throw damagedField(
        other.path,
        'capacity',
        `it is ${geometry?.capacityBytes ?? 0} bytes, and the descriptor says ${lengthBytes}`,
      );
    }
    return new SparseExtent(other, geometry, lengthBytes, await other.size());
  } catch (error) {
    await other.close();
    throw error;
  }
}

function sparseDetails(geometry: SparseGeometry): Record<string, string | number | boolean> {
  return {
    version: geometry.version,
    grainSize: geometry.grainBytes / sectorBytes,
    numGTEsPerGT: geometry.entriesPerTable,
    compressAlgorithm: geometry.isCompressed ? 'deflate' : 'none',
    uncleanShutdown: geometry.isUnclean,
  };
}
