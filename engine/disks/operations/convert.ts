import path from 'node:path';
import { unlink } from 'node:fs/promises';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFormat } from '../../model/machine.ts';
import { ChainMap } from '../chain-map.ts';
import type { OpenChain } from '../chain-of-layers.ts';
import type { DiskFile } from '../disk-file.ts';
import type { CreateLayer, Layer, LongCall } from '../disk.ts';
import { driverOf } from '../drivers.ts';
import { createWhole, requireFolder, requireFree } from '../new-file.ts';
import { openChain, type OpenImage } from '../open-chain.ts';
import { Rehearsal } from '../rehearsal.ts';
import { unmistakable } from '../relative-path.ts';
import { createStreamOptimized } from '../vmdk/stream-optimized.ts';
import { transfer, type TransferRange } from '../transfer.ts';

export interface ConvertOptions extends OpenImage, LongCall, NewImage {
  to: DiskFormat;
  /** One image that stands alone; otherwise each layer becomes one of the new format. */
  flatten?: boolean;
  /** VMDK only: the compressed form for transport, which nobody writes into afterwards. */
  isStreamOptimized?: boolean;
}

/** How the new images are made, as in {@link CreateLayer}. */
export type NewImage = Pick<CreateLayer, 'isFixed' | 'blockBytes' | 'logicalSectorBytes'>;

export interface ConvertResult {
  /** What was made, the top first. */
  files: string[];
  virtualSizeBytes: number;
  /** Bytes of data that were written; zeros are not. */
  writtenBytes: number;
}

/** Zeros are looked for in pieces of this many bytes: one cluster of qcow2, and less than a block of the others. */
const zeroGrainBytes = 64 * 1024;

/** Formats that cannot say "ask the parent". */
const chainless: ReadonlySet<DiskFormat> = new Set<DiskFormat>(['raw', 'vmdk']);

/**
 * Makes the same disk in another format. The source is only read; the target appears under its name once it is whole, and
 * takes no file's place. A chain stays one: the parents' new images lie beside the target, named after the old ones.
 * @throws NameInUse, UnsupportedDisk, InvalidArgument, what {@link openChain} throws; nothing is left behind then
 */
export async function convert(source: string, target: string, options: ConvertOptions): Promise<ConvertResult> {
  const chain = await openSource(source, options);
  try {
    const targets = await targetsOf(chain, path.resolve(target), options);
    return await (targets.length > 1
      ? convertChain(chain, targets, options)
      : convertFlat(chain, path.resolve(target), options));
  } finally {
    await chain.close();
  }
}

/**
 * Decides what {@link convert} is going to make, and makes nothing.
 * @returns the new files, and what each is made of, the top first
 * @throws as {@link convert}
 */
export async function decideConvert(
  source: string,
  target: string,
  options: ConvertOptions,
): Promise<{ files: { file: string; of: string }[] }> {
  const chain = await openSource(source, options);
  try {
    const targets = await targetsOf(chain, path.resolve(target), options);
    const files = targets.map((file, at) => ({ file, of: chain.layers[at]?.file.path ?? source }));
    // What the new format refuses, such as a size or a block size, it says when it makes an empty one.
    if (options.isStreamOptimized !== true) {
      const file = new Rehearsal().newFile(path.resolve(target));
      await driverOf(options.to).create({ file, virtualSizeBytes: chain.top.virtualSizeBytes, ...newImage(options) });
    }
    return { files };
  } finally {
    await chain.close();
  }
}

async function openSource(source: string, options: ConvertOptions): Promise<OpenChain> {
  if (options.isStreamOptimized === true && options.to !== 'vmdk') {
    throw new CheckpointError('InvalidArgument', `Only a vmdk can be stream-optimised, and ${options.to} is none.`, {
      format: options.to,
    });
  }
  return openChain(source, { ...options, access: () => 'read' });
}

/** The files to be made, the top first, none of which is there. */
async function targetsOf(chain: OpenChain, target: string, options: ConvertOptions): Promise<string[]> {
  const keepsChain = chain.layers.length > 1 && options.flatten !== true;
  if (keepsChain && chainless.has(options.to)) {
    const { path: source } = chain.top.file;
    throw new CheckpointError(
      'UnsupportedDisk',
      `The disk ${source} has parents, and ${options.to} cannot say so. Make one disk of them: --flatten.`,
      { path: source, format: options.to },
    );
  }
  const targets = keepsChain ? namesBeside(chain, target) : [target];
  await requireFolder(target);
  for (const file of targets) {
    await requireFree(file);
  }
  return targets;
}

async function convertFlat(chain: OpenChain, target: string, options: ConvertOptions): Promise<ConvertResult> {
  const map = chain.map({ signal: options.signal });
  const { virtualSizeBytes } = chain.top;
  const writtenBytes = await createWhole(target, (file) =>
    options.isStreamOptimized === true
      ? stream(file, chain.top, map, options)
      : fill(file, chain.top, map, { virtualSizeBytes, ...newImage(options) }, options),
  );
  return { files: [target], virtualSizeBytes, writtenBytes };
}

async function convertChain(
  chain: OpenChain,
  targets: readonly string[],
  options: ConvertOptions,
): Promise<ConvertResult> {
  const made: string[] = [];
  let writtenBytes = 0;
  try {
    for (let depth = chain.layers.length - 1; depth >= 0; depth--) {
      const layer = chain.layers[depth];
      const file = targets[depth];
      const parentFile = targets[depth + 1];
      if (layer === undefined || file === undefined) {
        throw new Error(`The chain has no layer ${depth}`);
      }
      const parent = parentFile === undefined ? undefined : await openChain(parentFile);
      try {
        writtenBytes += await createWhole(file, (partial) =>
          fill(
            partial,
            layer,
            new ChainMap([layer], options.signal),
            {
              ...newImage(options),
              ...(parent === undefined
                ? { virtualSizeBytes: layer.virtualSizeBytes }
                : { parent: { layer: parent.top, relativePath: unmistakable(path.basename(parent.top.file.path)) } }),
            },
            options,
          ),
        );
      } finally {
        await parent?.close();
      }
      made.unshift(file);
    }
  } catch (error) {
    await Promise.all(made.map((file) => unlink(file)));
    throw error;
  }
  return { files: made, virtualSizeBytes: chain.top.virtualSizeBytes, writtenBytes };
}

/** @returns bytes written */
async function fill(
  file: DiskFile,
  source: Layer,
  map: ChainMap,
  image: Omit<CreateLayer, 'file'>,
  options: ConvertOptions,
): Promise<number> {
  const driver = driverOf(options.to);
  file.keepOutOfCache?.();
  await driver.create({ file, ...image });
  const target = await driver.open({ file });
  if (image.parent !== undefined) {
    target.attachParent(image.parent.layer);
  }
  let writtenBytes = 0;
  try {
    if (target.virtualSizeBytes < source.virtualSizeBytes) {
      await target.resize(source.virtualSizeBytes, options);
    }
    const isNew = image.parent === undefined;
    await transfer(
      rangesOf(map, source, isNew),
      {
        read: (buffer, offset) => source.read(buffer, offset),
        write: (buffer, offset) => {
          writtenBytes += buffer.length;
          return target.write(buffer, offset);
        },
        // A new disk is all zero, unless its parent shows through.
        zero: async (offset, length) => {
          if (!isNew) {
            await target.zero(offset, length);
          }
        },
        sync: () => file.sync(),
      },
      { ...options, totalBytes: source.virtualSizeBytes, zeroGrainBytes },
    );
    await target.flush();
  } finally {
    await target.close();
  }
  return writtenBytes;
}

/** Content in the order of its offsets, each piece once. @returns bytes written */
async function stream(file: DiskFile, source: Layer, map: ChainMap, options: ConvertOptions): Promise<number> {
  const target = await createStreamOptimized(file, source.virtualSizeBytes);
  let writtenBytes = 0;
  await transfer(
    rangesOf(map, source, true),
    {
      read: (buffer, offset) => source.read(buffer, offset),
      write: (buffer, offset) => {
        writtenBytes += buffer.length;
        return target.append(offset, buffer);
      },
      // What is passed over is zero.
      zero: () => Promise.resolve(),
    },
    { ...options, totalBytes: source.virtualSizeBytes, zeroGrainBytes, inOrder: true },
  );
  await target.finish();
  return writtenBytes;
}

/** @param isNew nothing is in the target, so that zeros need no mention */
async function* rangesOf(map: ChainMap, source: Layer, isNew: boolean): AsyncGenerator<TransferRange> {
  for await (const { offset, length, state } of map.extents(0, source.virtualSizeBytes)) {
    yield { offset, length, kind: state === 'parent' || (isNew && state === 'zero') ? 'skip' : state };
  }
}

function newImage({ isFixed, blockBytes, logicalSectorBytes }: ConvertOptions): NewImage {
  return {
    ...(isFixed === undefined ? {} : { isFixed }),
    ...(blockBytes === undefined ? {} : { blockBytes }),
    ...(logicalSectorBytes === undefined ? {} : { logicalSectorBytes }),
  };
}

/** Names of the new layers, the top's first: the parents keep theirs, with the target's ending. */
function namesBeside(chain: OpenChain, target: string): string[] {
  const ending = path.extname(target);
  const names = [path.basename(target)];
  for (const { file } of chain.layers.slice(1)) {
    const stem = path.basename(file.path, path.extname(file.path));
    let name = `${stem}${ending}`;
    for (let count = 2; names.includes(name); count++) {
      name = `${stem}-${count}${ending}`;
    }
    names.push(name);
  }
  return names.map((name) => path.join(path.dirname(target), name));
}
