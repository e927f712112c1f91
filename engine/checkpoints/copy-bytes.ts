import { stat } from 'node:fs/promises';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { LayerOfDisk } from '../model/machine.ts';

/** Bytes that files take on their volumes; one that is not there takes none. */
export async function bytesOfFiles(files: Iterable<string>): Promise<number> {
  const found = await Promise.all([...files].map((file) => stat(file).catch(() => undefined)));
  return found.reduce((sum, one) => sum + (one?.blocks ?? 0) * 512, 0);
}

/** Files of the chains of some points of a machine, and whether each lies outside of it. */
export async function filesOfChains(
  folder: MachineFolder,
  records: MachineRecords,
  points: readonly LayerOfDisk[],
): Promise<{ file: string; isOutside: boolean }[]> {
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const reader = new ChainReader(files);
  const found = new Map<string, boolean>();
  for (const layers of points) {
    for (const disk of files.disks) {
      for (const { file, layer } of await reader.chainOf(disk, files.layerOf(layers, disk))) {
        found.set(file, layer === undefined);
      }
    }
  }
  return [...found].map(([file, isOutside]) => ({ file, isOutside }));
}
