import type { OpenImage } from '../disks/open-chain.ts';
import { chainInfo, info } from '../disks/operations/info.ts';
import { dataBytes } from '../disks/operations/map.ts';
import { flatCopyBytes } from '../model/space-estimates.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { DiskFormat } from '../model/machine.ts';
import { foldersOf } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineRecords } from '../store/machine-folder.ts';
import { definitionsOf } from './clone-records.ts';
import { signalOf, type Call } from './engine-context.ts';
import { readLayerGraph } from './layer-graph.ts';
import type { OpenMachine } from './locked-machine.ts';
import type { SpaceNeed } from './space-check.ts';
import { allowed } from './tidy.ts';

/** What whole copies of a checkpoint's disks take in a folder. @param to format of all copies; by default, each disk's own */
export async function needOfCopies(
  { folder, records }: Pick<OpenMachine, 'folder' | 'records'>,
  point: Pick<Checkpoint, 'layers' | 'definition'>,
  target: string,
  to: DiskFormat | undefined,
  call: Call,
): Promise<SpaceNeed> {
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  let bytes = 0;
  for (const { id, virtualSizeBytes, format = 'qcow2' } of point.definition.disks) {
    const disk = files.disk(id);
    const file = files.fileOf(disk, files.layerOf(point.layers, disk));
    const stored = await dataBytes(file, { ...allowed(disk), ...signalOf(call) });
    bytes += flatCopyBytes({ format: to ?? format, virtualSizeBytes, dataBytes: stored });
  }
  return { folder: target, bytes };
}

/** What copying into a machine's lowest layers what they stand on outside of it takes, each where it lies. */
export async function needsOfBases(files: LayerFiles, records: MachineRecords, call: Call): Promise<SpaceNeed[]> {
  const { layers } = await readLayerGraph(files, records, false);
  const disks = definitionsOf(records).flatMap((definition) => definition.disks);
  const needs: SpaceNeed[] = [];
  for (const disk of files.disks) {
    const base = disks.find(({ id, externalBase }) => id === disk.id && externalBase !== undefined)?.externalBase;
    const lowest = layers.filter((one) => one.disk === disk.id && one.parent === undefined);
    if (base !== undefined) {
      const stored = await dataBytes(base.path, {
        format: base.format,
        allowParents: foldersOf(base),
        ...signalOf(call),
      });
      const { virtualSizeBytes, format = 'qcow2' } = disk;
      const bytes = flatCopyBytes({ format, virtualSizeBytes, dataBytes: stored });
      needs.push({ folder: files.folderOf(disk), bytes: bytes * lowest.length });
    }
  }
  return needs;
}

/** What converting an image takes where the new files go. */
export async function convertedBytes(
  image: string,
  options: OpenImage,
  { to, flatten, fixed }: { to: DiskFormat; flatten: boolean | undefined; fixed: boolean | undefined },
): Promise<number> {
  const layers = options.snapshot === undefined ? await chainInfo(image, options) : [];
  const [top] = layers;
  if (top !== undefined && layers.length > 1 && flatten !== true) {
    return layers.reduce(
      (sum, { allocatedBytes, virtualSizeBytes }) =>
        sum + flatCopyBytes({ format: to, virtualSizeBytes, dataBytes: allocatedBytes }),
      0,
    );
  }
  const { virtualSizeBytes } = top ?? (await info(image, options));
  const stored = await dataBytes(image, options);
  return flatCopyBytes({
    format: to,
    virtualSizeBytes,
    dataBytes: stored,
    ...(fixed === true ? { isFixed: true } : {}),
  });
}
