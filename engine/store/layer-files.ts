import path from 'node:path';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { LayerOfDisk, MachineDefinition, MachineDisk } from '../model/machine.ts';
import type { MachineFolder } from './machine-folder.ts';

/** Where a machine's layers lie: in its folder, or beside the place that a disk has for another program. */
export class LayerFiles {
  readonly folder: MachineFolder;
  readonly definition: MachineDefinition;
  readonly #active: LayerOfDisk;

  /** @param active the active layers: of a disk with a `place`, that one lies there */
  constructor(folder: MachineFolder, definition: MachineDefinition, active: LayerOfDisk) {
    this.folder = folder;
    this.definition = definition;
    this.#active = active;
  }

  get disks(): readonly MachineDisk[] {
    return this.definition.disks;
  }

  /** @throws MachineDamaged */
  disk(id: string): MachineDisk {
    const disk = this.definition.disks.find((one) => one.id === id);
    if (disk === undefined) {
      throw new CheckpointError('MachineDamaged', `Machine “${this.definition.name}” has no disk ${id}.`, { disk: id });
    }
    return disk;
  }

  /** The layer that a set names for a disk. @throws MachineDamaged */
  layerOf(layers: LayerOfDisk, disk: MachineDisk): string {
    const layer = layers[disk.id];
    if (layer === undefined) {
      throw new CheckpointError(
        'MachineDamaged',
        `Machine “${this.definition.name}” has no layer for its disk ${disk.id}.`,
        { disk: disk.id },
      );
    }
    return layer;
  }

  /** Absolute path of the file of a layer. */
  fileOf(disk: MachineDisk, layer: string): string {
    return disk.place !== undefined && this.#active[disk.id] === layer ? disk.place : this.restingFileOf(disk, layer);
  }

  /** Absolute path of the file of a layer that is not the active one. */
  restingFileOf(disk: MachineDisk, layer: string): string {
    return disk.place === undefined ? this.folder.inner(layer) : path.join(path.dirname(disk.place), layer);
  }

  /** Folder that all layers of a disk lie in. */
  folderOf(disk: MachineDisk): string {
    return disk.place === undefined ? this.folder.inner('layers') : path.dirname(disk.place);
  }

  /** The layer whose file this is; undefined for a file elsewhere. */
  layerAt(disk: MachineDisk, file: string): string | undefined {
    if (path.dirname(file) !== this.folderOf(disk)) {
      return undefined;
    }
    if (disk.place === undefined) {
      return `layers/${path.basename(file)}`;
    }
    return file === disk.place ? this.#active[disk.id] : path.basename(file);
  }

  /** The same machine with other active layers. */
  withActive(active: LayerOfDisk): LayerFiles {
    return new LayerFiles(this.folder, this.definition, active);
  }
}
