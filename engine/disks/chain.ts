import { lstat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import type { DiskFormat, MachineDisk } from '../model/machine.ts';
import { identifyImage } from './image-format.ts';
import { readQcow2Header } from './qcow2/header.ts';
import { openRegularFile } from './regular-file.ts';

/** The file that a chain may end with outside its folder, as it was when the user allowed it. */
export type ExternalBase = NonNullable<MachineDisk['externalBase']>;

/** One file of a chain. */
export interface ChainLayer {
  /** Absolute path. */
  file: string;
  format: DiskFormat;
}

/** A longer chain is refused: nobody made it on purpose. */
const deepestChain = 1024;

/** Formats by the name that a qcow2 header gives them. */
const formatByQemuName: Readonly<Record<string, DiskFormat>> = {
  raw: 'raw',
  vpc: 'vhd',
  vhdx: 'vhdx',
  qcow2: 'qcow2',
  vmdk: 'vmdk',
};

/**
 * Follows the parents of a layer and verifies each step: inside the folder, or exactly the allowed base, unchanged.
 * @returns from the layer down to the base
 * @throws ParentMismatch, ParentNotAllowed, DiskNotFound, ImageDamaged
 */
export async function resolveChain(layer: string, folder: string, allowed?: ExternalBase): Promise<ChainLayer[]> {
  const chain: ChainLayer[] = [];
  const seen = new Set<string>();
  let next: ChainLayer | undefined = { file: layer, format: 'qcow2' };
  while (next !== undefined) {
    const current: ChainLayer = next;
    if (seen.has(current.file) || chain.length === deepestChain) {
      throw new CheckpointError(
        'ParentMismatch',
        `The chain of ${layer} does not end: ${current.file} is its own ancestor or lies too deep.`,
        {
          path: layer,
          found: current.file,
        },
      );
    }
    seen.add(current.file);
    chain.push(current);
    if (allowed !== undefined && current.file === allowed.path) {
      await verifyExternal(allowed);
      return chain;
    }
    next = await parentOf(current, folder, allowed);
  }
  return chain;
}

async function parentOf(
  layer: ChainLayer,
  folder: string,
  allowed: ExternalBase | undefined,
): Promise<ChainLayer | undefined> {
  if (layer.format !== 'qcow2') {
    await requireOwnFile(layer.file);
    const { dependsOn } = await identifyImage(layer.file, layer.format === 'raw' ? 'raw' : undefined);
    if (dependsOn !== undefined) {
      throw notAllowed(layer.file, dependsOn);
    }
    return undefined;
  }
  const handle = await openLayer(layer.file);
  try {
    const header = await readQcow2Header(handle, layer.file);
    if (header.hasExternalDataFile) {
      throw notAllowed(layer.file, 'an external data file');
    }
    if (header.backingFile === undefined) {
      return undefined;
    }
    const format = formatByQemuName[header.backingFormat ?? ''];
    if (format === undefined) {
      throw new CheckpointError(
        'ParentMismatch',
        `The layer ${layer.file} does not say what format its parent has; it is not guessed.`,
        {
          path: layer.file,
          field: 'backing format',
          found: header.backingFormat,
        },
      );
    }
    const file = path.resolve(path.dirname(layer.file), header.backingFile);
    if (path.dirname(file) !== folder && file !== allowed?.path) {
      throw notAllowed(layer.file, file);
    }
    return { file, format };
  } finally {
    await handle.close();
  }
}

async function openLayer(file: string): Promise<FileHandle> {
  await requireOwnFile(file);
  const handle = await openRegularFile(file);
  if (handle === undefined) {
    throw new CheckpointError('NotADiskImage', `The disk layer ${file} is not a regular file.`, { path: file });
  }
  return handle;
}

/** A layer is a file of the machine's folder itself: behind a link could lie anything. */
async function requireOwnFile(file: string): Promise<void> {
  let isLink: boolean;
  try {
    isLink = (await lstat(file)).isSymbolicLink();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      throw new CheckpointError(
        'DiskNotFound',
        `The disk layer ${file} is missing. Restore it from a backup; the machine cannot run without it.`,
        { path: file },
      );
    }
    throw error;
  }
  if (isLink) {
    throw notAllowed(file, 'the target of a symbolic link');
  }
}

function notAllowed(layer: string, found: string): CheckpointError {
  return new CheckpointError(
    'ParentNotAllowed',
    `The layer ${layer} depends on something outside its machine: ${found}. Nobody allowed that, so it is not opened.`,
    { path: layer, found },
  );
}

async function verifyExternal(base: ExternalBase): Promise<void> {
  const found = await identifyImage(base.path, base.format === 'raw' ? 'raw' : undefined);
  if (found.dependsOn !== undefined) {
    throw notAllowed(base.path, found.dependsOn);
  }
  const differs = (['format', 'sizeBytes', 'modifiedMs'] as const).find((fact) => found[fact] !== base[fact]);
  if (differs !== undefined) {
    throw new CheckpointError(
      'ParentMismatch',
      `The disk ${base.path} was changed after it was added (${differs} was ${base[differs]}, is ${found[differs]}). ` +
        'Running on it would corrupt the machine. Restore that file from a backup, or remove the machine and add it again.',
      { path: base.path, field: differs, expected: base[differs], found: found[differs] },
    );
  }
}
