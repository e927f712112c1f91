import path from 'node:path';
import { unlink } from 'node:fs/promises';
import { systemCode } from '../../model/checkpoint-error.ts';
import type { DiskFormat } from '../../model/machine.ts';
import { openDiskFile, type DiskFile } from '../disk-file.ts';
import type { CreateLayer } from '../disk.ts';
import { driverOf } from '../drivers.ts';
import { inUse, requireFolder, requireFree, syncFolder } from '../new-file.ts';
import type { Rehearsal } from '../rehearsal.ts';
import type { OpenChain } from '../chain-of-layers.ts';
import { openChain } from '../open-chain.ts';
import { relativePath } from '../relative-path.ts';

/** An image to be made; sizes in bytes. Either a size or a parent. */
export interface CreateImage extends Omit<CreateLayer, 'file' | 'parent'> {
  format: DiskFormat;
  parent?: {
    file: string;
    /** What the caller says it is; the only way to name a raw parent. */
    format?: DiskFormat;
    allowParents?: readonly string[];
  };
}

/**
 * Makes an empty image in a rehearsal: nothing is written.
 * @throws as {@link create}
 */
export async function rehearseCreate(image: string, wanted: CreateImage, rehearsal: Rehearsal): Promise<void> {
  const target = path.resolve(image);
  const { format, parent, ...rest } = wanted;
  await onParent(parent, async (chain) => {
    await requireFolder(target);
    await requireFree(target);
    const reference = await referenceTo(chain, target);
    await driverOf(format).create({ ...rest, ...reference, file: rehearsal.newFile(target) });
  });
}

/**
 * Makes an empty image, durably.
 * @throws NameInUse, InvalidArgument, UnsupportedDisk, and for the parent what {@link openChain} throws
 */
export async function create(image: string, wanted: CreateImage): Promise<void> {
  const { format, parent, ...rest } = wanted;
  const target = path.resolve(image);
  await onParent(parent, async (chain) => {
    const [file, reference] = await Promise.all([openNew(target), referenceTo(chain, target)]);
    try {
      await driverOf(format).create({ ...rest, ...reference, file });
    } catch (error) {
      await file.close();
      await unlink(target);
      throw error;
    }
    await Promise.all([file.close(), syncFolder(path.dirname(target))]);
  });
}

async function onParent(
  parent: CreateImage['parent'],
  work: (chain: OpenChain | undefined) => Promise<void>,
): Promise<void> {
  const chain = parent === undefined ? undefined : await openChain(parent.file, parent);
  try {
    await work(chain);
  } finally {
    await chain?.close();
  }
}

async function referenceTo(chain: OpenChain | undefined, target: string): Promise<Pick<CreateLayer, 'parent'>> {
  return chain === undefined
    ? {}
    : { parent: { layer: chain.top, relativePath: await relativePath(target, chain.top.file.path) } };
}

async function openNew(target: string): Promise<DiskFile> {
  try {
    return await openDiskFile(target, 'create');
  } catch (error) {
    throw systemCode(error) === 'EEXIST' ? inUse(target) : error;
  }
}
