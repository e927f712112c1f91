import path from 'node:path';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { DiskFormat } from '../model/machine.ts';
import { detectFormat } from './detect-format.ts';
import { openDiskFile, type DiskFile, type LayerAccess } from './disk-file.ts';
import type { Layer, ParentReference } from './disk.ts';
import { driverOf } from './drivers.ts';
import { OpenChain } from './chain-of-layers.ts';
import { verifyParent } from './parent-check.ts';
import { SnapshotView } from './snapshot-view.ts';
import { PermittedFolders } from './permitted-folders.ts';

/** How an image, or a chain of them, is opened. */
export interface OpenImage {
  /** What the caller says it is: the only way to open a raw disk. By its content otherwise. */
  format?: DiskFormat;
  /** Folders that parents and other files may lie in besides the image's own. */
  allowParents?: readonly string[];
  /** A snapshot inside the image, by id or name, whose content is meant; for reading only. */
  snapshot?: string;
  signal?: AbortSignal;
}

export interface OpenWholeChain extends OpenImage {
  /** How a layer is opened, by its place from the top (0); all for reading by default. */
  access?: (depth: number) => LayerAccess;
}

/** A deeper chain is refused: nobody made it on purpose. */
const deepestChain = 1024;

/**
 * Opens one image without its parents: they are neither looked for nor verified, and cannot be read through.
 * @throws DiskNotFound, NotADiskImage, ImageDamaged, UnsupportedDisk, ParentNotAllowed for other files that it names
 */
export async function openLayer(image: string, access: LayerAccess, options: OpenImage = {}): Promise<Layer> {
  const file = path.resolve(image);
  // Where the folder really is, is asked only for an image that names another file: hardly any does.
  const folders = (): Promise<PermittedFolders> => PermittedFolders.of(file, options.allowParents);
  return openOne(await openDiskFile(file, access), access, options.format, folders);
}

/**
 * Opens an image and all its parents, each verified to be the one that its child was made on, and connects them.
 * @throws DiskNotFound, NotADiskImage, ImageDamaged, UnsupportedDisk, ParentMismatch, ParentNotAllowed
 */
export async function openChain(image: string, options: OpenWholeChain = {}): Promise<OpenChain> {
  const file = path.resolve(image);
  const folders = await PermittedFolders.of(file, options.allowParents);
  const access = options.access ?? (() => 'read');
  const layers: Layer[] = [];
  try {
    let last = await openOne(await openDiskFile(file, access(0)), access(0), options.format, () => folders);
    layers.push(last);
    for (;;) {
      const reference = last.parentReference;
      if (reference === undefined) {
        break;
      }
      options.signal?.throwIfAborted();
      const parent = await openParent(last, reference, layers, access(layers.length), folders);
      layers.push(parent);
      last = parent;
    }
    layers.forEach((layer, depth) => {
      const parent = layers[depth + 1];
      if (parent !== undefined) {
        layer.attachParent(parent);
      }
    });
    if (options.snapshot !== undefined) {
      const [top = last] = layers;
      layers[0] = await SnapshotView.of(top, options.snapshot);
    }
    return new OpenChain(layers.at(-1) ?? last, layers);
  } catch (error) {
    await Promise.allSettled(layers.map((layer) => layer.close()));
    throw error;
  }
}

async function openParent(
  child: Layer,
  { paths, format }: ParentReference,
  above: readonly Layer[],
  access: LayerAccess,
  folders: PermittedFolders,
): Promise<Layer> {
  if (format === undefined) {
    throw new CheckpointError(
      'ParentMismatch',
      `The disk ${child.file.path} does not say what format its parent has, and it is not guessed. ` +
        'Name the parent again: ckpt disk rebase FILE --parent FILE.',
      { path: child.file.path, field: 'backing file format' },
    );
  }
  // The first path that leads to the right disk counts. What is wrong with another matters only when there is none.
  let problem: Error | undefined;
  for (const named of paths) {
    try {
      const file = await folders.open(named, child.file.path, access, (found) => requireEnd(child, above, found));
      if (file === undefined) {
        continue;
      }
      const parent = await openOne(file, access, format, () => folders);
      try {
        verifyParent(child, parent);
        return parent;
      } catch (error) {
        await parent.close();
        throw error;
      }
    } catch (error) {
      problem = moreTelling(problem, error);
    }
  }
  throw (
    problem ??
    new CheckpointError(
      'DiskNotFound',
      `The parent of ${child.file.path} is missing; looked for ${paths.join(', ') || 'nothing: it names no path'}. ` +
        'Put it back, or name its new place: ckpt disk rebase FILE --parent FILE.',
      { path: child.file.path, looked: paths },
    )
  );
}

/** A disk that is there, but the wrong one, tells more than one that nobody looked at. */
function moreTelling(one: Error | undefined, other: unknown): Error {
  const isTelling = one !== undefined && !(one instanceof CheckpointError && one.code === 'ParentNotAllowed');
  return isTelling ? one : other instanceof Error ? other : new Error(String(other));
}

function requireEnd(child: Layer, above: readonly Layer[], file: string): void {
  if (above.length >= deepestChain || above.some((layer) => layer.file.path === file)) {
    throw new CheckpointError(
      'ParentMismatch',
      `The chain of ${above[0]?.file.path ?? file} does not end: ${file} is its own ancestor or lies too deep.`,
      { path: child.file.path, field: 'parent', found: file },
    );
  }
}

/** @param file closed here unless it comes to be a layer's */
async function openOne(
  file: DiskFile,
  access: LayerAccess,
  told: DiskFormat | undefined,
  folders: () => PermittedFolders | Promise<PermittedFolders>,
): Promise<Layer> {
  try {
    const driver = driverOf(told ?? (await detectFormat(file)));
    return await driver.open({
      file,
      openOther: async (named) => {
        const permitted = await folders();
        const other = await permitted.open(named, file.path, access);
        if (other === undefined) {
          throw new CheckpointError(
            'DiskNotFound',
            `The disk ${file.path} needs the file ${named}, and that is missing. Put it back.`,
            { path: file.path, looked: [named] },
          );
        }
        return other;
      },
    });
  } catch (error) {
    await file.close();
    throw error;
  }
}
