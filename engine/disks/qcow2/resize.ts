import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { LongCall } from '../disk.ts';
import { replaceL1Table } from './header-tables.ts';
import type { LayerParts } from './layer-parts.ts';

const sectorBytes = 512;
const longestL1TableBytes = 32 * 1024 * 1024;
const readBytes = 1024 * 1024;

/**
 * Makes the disk longer, with zeros, or shorter by a tail in which the guest sees zeros only. A crash leaves the old size
 * or the new.
 * @throws InvalidArgument, UnsupportedDisk
 */
export async function resizeImage(layer: LayerParts, virtualSizeBytes: number, call: LongCall): Promise<void> {
  const { header, path } = layer.image;
  if (!Number.isSafeInteger(virtualSizeBytes) || virtualSizeBytes <= 0 || virtualSizeBytes % sectorBytes !== 0) {
    throw new CheckpointError(
      'InvalidArgument',
      `A disk has a whole number of ${sectorBytes}-byte sectors, and ${virtualSizeBytes} bytes were asked.`,
      { path, virtualSizeBytes },
    );
  }
  if (header.nbSnapshots > 0 && header.version === 2) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The disk ${path} has snapshots inside that do not say their size, so its size cannot change. Delete them first.`,
      { path, field: 'nb_snapshots' },
    );
  }
  await layer.flush();
  if (virtualSizeBytes > header.virtualSizeBytes) {
    await grow(layer, virtualSizeBytes);
  } else if (virtualSizeBytes < header.virtualSizeBytes) {
    await shrink(layer, virtualSizeBytes, call);
  }
  await layer.flush();
}

async function grow(layer: LayerParts, virtualSizeBytes: number): Promise<void> {
  const { image } = layer;
  const { header, geometry } = image;
  const oldSize = header.virtualSizeBytes;
  const l1Size = Math.ceil(virtualSizeBytes / geometry.l2Coverage);
  if (l1Size * 8 > longestL1TableBytes) {
    throw new CheckpointError(
      'InvalidArgument',
      `A disk of ${virtualSizeBytes} bytes needs larger clusters than the ${geometry.clusterSize} bytes of ${image.path}. Convert it to an image with larger ones.`,
      { path: image.path, field: 'l1_size' },
    );
  }
  if (l1Size > header.l1Size) {
    await image.mutex.run(() => replaceL1Table(image, layer.refcounts, l1Size, oldSize));
  }
  // What lies behind the old end was never the guest's: a cluster's rest, or a longer parent that would show through.
  const clusterEnd = Math.ceil(oldSize / geometry.clusterSize) * geometry.clusterSize;
  const parentEnd = Math.max(clusterEnd, layer.reader.parent?.virtualSizeBytes ?? 0);
  const staleEnd = Math.min(virtualSizeBytes, parentEnd);
  if (layer.reader.parent === undefined && layer.parentReference !== undefined) {
    throw new CheckpointError('ParentMismatch', `The disk ${image.path} can get longer only with its parent open.`, {
      path: image.path,
    });
  }
  if (oldSize < staleEnd) {
    // In memory only: the guest's size changes with the header.
    header.virtualSizeBytes = virtualSizeBytes;
    try {
      await layer.eraser.erase(oldSize, staleEnd, false, () => layer.flush());
    } finally {
      header.virtualSizeBytes = oldSize;
    }
    await layer.flush();
  }
  await setSize(layer, virtualSizeBytes);
}

async function shrink(layer: LayerParts, virtualSizeBytes: number, call: LongCall): Promise<void> {
  const { image } = layer;
  const { header } = image;
  await requireZeros(layer, virtualSizeBytes, call);
  const oldSize = header.virtualSizeBytes;
  await setSize(layer, virtualSizeBytes);
  // Whatever says zero there is not needed any more; were it left, a longer disk's check would still count it.
  header.virtualSizeBytes = oldSize;
  try {
    const clusterEnd = Math.ceil(virtualSizeBytes / image.geometry.clusterSize) * image.geometry.clusterSize;
    const firstCluster = Math.min(clusterEnd, oldSize);
    for await (const { offset, length, state } of layer.extents(firstCluster, oldSize - firstCluster)) {
      if (state !== 'parent') {
        await layer.eraser.erase(offset, offset + length, true, () => layer.flush());
      }
    }
  } finally {
    header.virtualSizeBytes = virtualSizeBytes;
  }
}

async function setSize(layer: LayerParts, virtualSizeBytes: number): Promise<void> {
  const { image } = layer;
  await image.mutex.run(() => image.writeHeader({ size: BigInt(virtualSizeBytes) }));
  image.header.virtualSizeBytes = virtualSizeBytes;
}

/** @throws InvalidArgument when the guest sees anything but zeros from an offset on */
async function requireZeros(layer: LayerParts, from: number, { signal, onProgress }: LongCall): Promise<void> {
  const buffer = Buffer.alloc(readBytes);
  const zeros = Buffer.alloc(readBytes);
  const end = layer.virtualSizeBytes;
  for await (const extent of layer.extents(from, end - from, signal)) {
    const isZero =
      extent.state === 'zero' || (extent.state === 'parent' && !layer.reader.isParentVisible(extent.offset));
    for (let at = extent.offset; !isZero && at < extent.offset + extent.length; at += readBytes) {
      signal?.throwIfAborted();
      const part = buffer.subarray(0, Math.min(readBytes, extent.offset + extent.length - at));
      await layer.read(part, at);
      if (part.compare(zeros, 0, part.length) !== 0) {
        throw new CheckpointError(
          'InvalidArgument',
          `The disk ${layer.file.path} cannot be cut to ${from} bytes: there is data behind them. Make the last partition smaller first.`,
          { path: layer.file.path, virtualSizeBytes: from },
        );
      }
      onProgress?.(at - from + part.length, end - from);
    }
  }
}
