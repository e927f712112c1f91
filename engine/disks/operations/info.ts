import { stat } from 'node:fs/promises';
import type { DiskFormat } from '../../model/machine.ts';
import type { InnerSnapshot, Layer } from '../disk.ts';
import { openChain, openLayer, type OpenImage } from '../open-chain.ts';

/** Facts of one layer, from its own file alone. */
export interface DiskInfo {
  file: string;
  format: DiskFormat;
  virtualSizeBytes: number;
  logicalSectorBytes: number;
  fileSizeBytes: number;
  /** What the file takes on its volume; less than its size where it has holes. */
  allocatedBytes: number;
  /** Where the layer says that its parent is, and in what format; absent for a disk that stands alone. */
  parent?: { paths: string[]; format?: DiskFormat };
  /** By the specification's names. */
  identity: Readonly<Record<string, string>>;
  details: Readonly<Record<string, string | number | boolean>>;
  /** Points in time inside the image; absent where there are none. */
  snapshots?: InnerSnapshot[];
}

/** What an image is. Its parents need not be there. */
export async function info(image: string, options: OpenImage = {}): Promise<DiskInfo> {
  const layer = await openLayer(image, 'read', options);
  try {
    return await infoOf(layer);
  } finally {
    await layer.close();
  }
}

/** All layers of a chain from the top down, each parent found and verified. */
export async function chainInfo(image: string, options: OpenImage = {}): Promise<DiskInfo[]> {
  const chain = await openChain(image, options);
  try {
    return await Promise.all(chain.layers.map(infoOf));
  } finally {
    await chain.close();
  }
}

async function infoOf(layer: Layer): Promise<DiskInfo> {
  const { size, blocks } = await stat(layer.file.path);
  const snapshots = (await layer.snapshots?.()) ?? [];
  return {
    file: layer.file.path,
    format: layer.format,
    virtualSizeBytes: layer.virtualSizeBytes,
    logicalSectorBytes: layer.logicalSectorBytes,
    fileSizeBytes: size,
    allocatedBytes: blocks * 512,
    ...(layer.parentReference === undefined ? {} : { parent: layer.parentReference }),
    identity: layer.identity,
    details: layer.details,
    ...(snapshots.length === 0
      ? {}
      : {
          snapshots: snapshots.map(({ id, name, takenMs, virtualSizeBytes, vmStateBytes }) => ({
            ...{ id, name, takenMs, virtualSizeBytes, vmStateBytes },
          })),
        }),
  };
}
