import { link, lstat, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { systemCode } from '../model/checkpoint-error.ts';
import type { LayerOfDisk, MachineDisk } from '../model/machine.ts';
import { syncFolder } from '../store/atomic-file.ts';
import type { LayerFiles } from '../store/layer-files.ts';

/**
 * How other layers come to the place of a disk that another program uses by its path. The layer at that place gets its
 * resting name as a second name; the new layer, which was made under its own resting name, then takes the place in one
 * rename. So there is no instant at which the place is empty.
 *
 * It has begun once the file at the place is not the old layer any more. From then on it can only be finished: the other
 * program may have started on the new layers.
 */

/**
 * Gives the active layers their resting names.
 * @returns the files as they will be, for making children of layers at their resting names; as they are, where the volume
 *   knows no second names
 */
export async function prepareActivation(
  files: LayerFiles,
  active: LayerOfDisk,
  coming: LayerOfDisk,
): Promise<LayerFiles> {
  let isPrepared = true;
  for (const { disk, place } of placedDisks(files)) {
    const resting = files.restingFileOf(disk, files.layerOf(active, disk));
    try {
      await link(place, resting);
    } catch (error) {
      const code = systemCode(error) ?? '';
      if (code === 'EEXIST' && (await sameFile(place, resting))) {
        continue;
      }
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK'].includes(code)) {
        throw error;
      }
      isPrepared = false;
    }
  }
  return isPrepared ? files.withActive(coming) : files;
}

/** Puts the coming layers in the places of the active ones; safe to repeat. */
export async function activate(files: LayerFiles, active: LayerOfDisk, coming: LayerOfDisk): Promise<void> {
  for (const { disk, place } of placedDisks(files)) {
    const resting = files.restingFileOf(disk, files.layerOf(active, disk));
    const next = files.restingFileOf(disk, files.layerOf(coming, disk));
    if (await exists(next)) {
      if (!(await exists(resting))) {
        await rename(place, resting);
      }
      await rename(next, place);
      await syncFolder(path.dirname(place));
    }
  }
}

/** True when a coming layer may lie at the place of a disk already. */
export async function activationHasBegun(files: LayerFiles, active: LayerOfDisk): Promise<boolean> {
  for (const { disk, place } of placedDisks(files)) {
    const resting = files.restingFileOf(disk, files.layerOf(active, disk));
    if ((await exists(resting)) && !(await sameFile(place, resting))) {
      return true;
    }
  }
  return false;
}

/** Takes the resting names of the active layers back, when they were only prepared. */
export async function forgetActivation(files: LayerFiles, active: LayerOfDisk): Promise<void> {
  for (const { disk, place } of placedDisks(files)) {
    const resting = files.restingFileOf(disk, files.layerOf(active, disk));
    if (await sameFile(place, resting)) {
      await rm(resting);
    }
  }
}

/** True when a disk lies where another program uses it. */
export function hasPlaces(files: LayerFiles): boolean {
  return placedDisks(files).length > 0;
}

function placedDisks(files: LayerFiles): { disk: MachineDisk; place: string }[] {
  return files.disks.flatMap((disk) => (disk.place === undefined ? [] : [{ disk, place: disk.place }]));
}

async function sameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((file) => lstat(file, { bigint: true }).catch(() => undefined)));
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}
