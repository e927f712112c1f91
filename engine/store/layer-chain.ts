import { lstatSync, type Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import path from 'node:path';
import type { Layer } from '../disks/disk.ts';
import { openLayer } from '../disks/open-chain.ts';
import { verifyParent } from '../disks/parent-check.ts';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { errorSaying, say } from '../model/sayings.ts';
import type { DiskFormat, MachineDisk } from '../model/machine.ts';
import type { LayerFiles } from './layer-files.ts';
import { RememberedFiles } from './remembered-files.ts';

/** The file that a chain may end with outside its machine, as it was when the user allowed it. */
export type ExternalBase = NonNullable<MachineDisk['externalBase']>;

/** One file of a machine's chain, by its header. */
export interface ChainLayer {
  /** Absolute path. */
  file: string;
  format: DiskFormat;
  /** Its name in the machine; absent for what lies outside. */
  layer?: string;
  /** For comparing it with its parent; its file is closed. */
  header: Layer;
}

/** What a closed layer takes in memory, about: its header, and the parts that read through it. */
const headerBytes = 8 * 1024;

/** Headers of layers that were read of late: two of the longest chains, or many of the usual ones. */
const rememberedHeaders = new RememberedFiles<{ told: DiskFormat | undefined; header: Layer }>(512 * headerBytes);

/** Formats whose header lies in the layer's own file, all of it. */
const selfContained: ReadonlySet<DiskFormat> = new Set<DiskFormat>(['qcow2', 'vhdx', 'vhd']);

/** A longer chain is refused: nobody made it on purpose. */
const deepestChain = 1024;

/**
 * Reads the chains of a machine. A file is read once, so that trees of many checkpoints cost little; a reader is to be
 * used while the machine is locked, and no longer than nothing changes.
 */
export class ChainReader {
  readonly #files: LayerFiles;
  readonly #read = new Map<string, Promise<ChainLayer>>();
  readonly #parents = new Map<string, Promise<ChainLayer | undefined>>();

  constructor(files: LayerFiles) {
    this.#files = files;
  }

  /**
   * Follows the parents of a layer and verifies each step: a file of the machine that its child was made on, or exactly the
   * allowed base, unchanged.
   * @returns from the layer down to the base
   * @throws ParentMismatch, ParentNotAllowed, DiskNotFound, ImageDamaged, UnsupportedDisk
   */
  async chainOf(disk: MachineDisk, layer: string): Promise<ChainLayer[]> {
    const chain: ChainLayer[] = [];
    const seen = new Set<string>();
    let next: ChainLayer | undefined = await this.layer(disk, layer);
    while (next !== undefined) {
      const current: ChainLayer = next;
      if (seen.has(current.file) || chain.length === deepestChain) {
        const facts = { path: this.#files.fileOf(disk, layer), found: current.file };
        throw errorSaying('ParentMismatch', facts, say('chainIsEndless', facts));
      }
      seen.add(current.file);
      chain.push(current);
      next = await this.parentOf(disk, current);
    }
    return chain;
  }

  /** Reads the header of a layer of the machine. @throws DiskNotFound, ParentNotAllowed, ImageDamaged, UnsupportedDisk */
  layer(disk: MachineDisk, layer: string): Promise<ChainLayer> {
    const told = layer === disk.base ? undefined : (disk.format ?? 'qcow2');
    return this.#open(this.#files.fileOf(disk, layer), told, layer);
  }

  /** @returns undefined for a disk that stands alone */
  parentOf(disk: MachineDisk, child: ChainLayer): Promise<ChainLayer | undefined> {
    const known = this.#parents.get(child.file);
    if (known !== undefined) {
      return known;
    }
    const reading = this.#readParent(disk, child);
    this.#parents.set(child.file, reading);
    return reading;
  }

  async #readParent(disk: MachineDisk, child: ChainLayer): Promise<ChainLayer | undefined> {
    const reference = child.header.parentReference;
    if (reference === undefined) {
      return undefined;
    }
    if (reference.format === undefined) {
      throw errorSaying(
        'ParentMismatch',
        { path: child.file, field: 'backing format' },
        say('parentFormatUnknown', { path: child.file }),
      );
    }
    const named = reference.paths.map((one) => path.resolve(path.dirname(child.file), one));
    const inside = named.filter((file) => this.#isAllowed(disk, child, file));
    if (inside.length === 0) {
      throw notAllowed(child.file, named[0] ?? 'a parent that it does not name');
    }
    for (const file of inside) {
      if (file === inside.at(-1) || (await exists(file))) {
        const parent = await this.#openParent(disk, file, reference.format);
        verifyParent(child.header, parent.header);
        return parent;
      }
    }
    return undefined;
  }

  #isAllowed(disk: MachineDisk, child: ChainLayer, file: string): boolean {
    const base = disk.externalBase;
    if (child.layer === undefined) {
      // What a linked clone hangs from goes on in the folder of that machine, or where that one's base lies.
      return base !== undefined && foldersOf(base).includes(path.dirname(file));
    }
    return file === base?.path || this.#files.layerAt(disk, file) !== undefined;
  }

  async #openParent(disk: MachineDisk, file: string, format: DiskFormat): Promise<ChainLayer> {
    const base = disk.externalBase;
    if (file !== base?.path) {
      const layer = this.#files.layerAt(disk, file);
      return this.#open(file, format, layer);
    }
    requireOwnFile(file);
    const opening = this.#open(file, base.format === 'raw' ? 'raw' : undefined, undefined);
    // A file that was changed may be no disk any more; that it was changed is what the user has to know.
    requireUnchanged(
      base,
      await opening.then(
        ({ format: found }) => found,
        () => undefined,
      ),
    );
    const opened = await opening;
    if (opened.header.parentReference !== undefined && base.isChain !== true) {
      throw notAllowed(file, opened.header.parentReference.paths[0] ?? 'a parent');
    }
    return opened;
  }

  #open(file: string, format: DiskFormat | undefined, layer: string | undefined): Promise<ChainLayer> {
    const known = this.#read.get(file);
    if (known !== undefined) {
      return known;
    }
    const reading = readHeader(file, format, layer);
    this.#read.set(file, reading);
    return reading;
  }
}

/** Folders that files of a machine's chain outside of it may lie in. */
export function foldersOf(base: ExternalBase): string[] {
  return [path.dirname(base.path), ...(base.chainFolders ?? [])];
}

async function readHeader(
  file: string,
  format: DiskFormat | undefined,
  layer: string | undefined,
): Promise<ChainLayer> {
  const found = requireOwnFile(file);
  const known = rememberedHeaders.get(file, found);
  const header = known !== undefined && known.told === format ? known.header : await openHeader(file, format);
  if (known?.header !== header && selfContained.has(header.format)) {
    rememberedHeaders.remember(file, found, { told: format, header }, headerBytes);
  }
  return { file, format: header.format, header, ...(layer === undefined ? {} : { layer }) };
}

async function openHeader(file: string, format: DiskFormat | undefined): Promise<Layer> {
  const header = await openLayer(file, 'read', format === undefined ? {} : { format });
  await header.close();
  if (header.details['data_file'] !== undefined) {
    throw notAllowed(file, 'an external data file');
  }
  return header;
}

/** A layer is a file itself: behind a link could lie anything. */
function requireOwnFile(file: string): Stats {
  let found: Stats;
  try {
    found = lstatSync(file);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      throw errorSaying('DiskNotFound', { path: file }, say('layerMissing', { path: file }), say('restoreToRun'));
    }
    throw error;
  }
  if (found.isSymbolicLink()) {
    throw notAllowed(file, 'the target of a symbolic link');
  }
  return found;
}

function requireUnchanged(base: ExternalBase, format: DiskFormat | undefined): void {
  const { size, mtimeMs } = lstatSync(base.path);
  const found = { format: format ?? base.format, sizeBytes: size, modifiedMs: Math.floor(mtimeMs) };
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

function notAllowed(layer: string, found: string): CheckpointError {
  const facts = { path: layer, found };
  return errorSaying('ParentNotAllowed', facts, say('parentNotAllowed', facts));
}

async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}
