import { chmod, lstat, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Layer } from '../disks/disk.ts';
import { openLayer } from '../disks/open-chain.ts';
import type { LayerOfDisk, MachineDisk } from '../model/machine.ts';
import { syncFolder } from '../store/atomic-file.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';
import { readLayerGraph } from './layer-graph.ts';
import { freeze, thaw } from './layers.ts';

/**
 * The end of a merge, from whichever step it got to. `ancestor`: `to` has all that `from` had, so what stands on `from` stands
 * on `to`, what names it names `to`, and `from` goes. `child`: `from` goes if the merge came to its end.
 * @returns whether `from` is gone
 */
export async function executeRelink(
  folder: MachineFolder,
  records: MachineRecords,
  journal: Pick<JournalRecord, 'relink'>,
): Promise<boolean> {
  const { relink } = journal;
  if (relink === undefined) {
    return false;
  }
  let isGone = true;
  const { from, to } = relink;
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const disk = files.disk(relink.disk);
  if (relink.direction === 'ancestor') {
    if (await isAFile(files.fileOf(disk, from))) {
      await relinkChildren(files, records, disk, from, to);
    }
    await renameLayer(files, records, disk, from, to);
  } else {
    const { layers: needed } = await readLayerGraph(files, records, false);
    if (needed.some((one) => one.disk === disk.id && one.layer === from)) {
      // The merge was interrupted, and the layers stand as before.
      isGone = false;
      await freeze(files, { [disk.id]: from });
    } else {
      await folder.removeFile(files.fileOf(disk, from));
    }
  }
  const after = await folder.read();
  const now = files.withActive(after.now.activeLayers);
  const layers = { [disk.id]: to };
  await (after.now.activeLayers[disk.id] === to ? thaw(now, layers) : freeze(now, layers));
  return isGone;
}

async function relinkChildren(
  files: LayerFiles,
  records: MachineRecords,
  disk: MachineDisk,
  from: string,
  to: string,
): Promise<void> {
  const { layers } = await readLayerGraph(files, records, false);
  const children = layers.filter((one) => one.disk === disk.id && one.parent === from);
  if (children.length === 0) {
    return;
  }
  const target = files.fileOf(disk, to);
  const parent = await openLayer(target, 'read');
  await parent.close();
  for (const { layer, file } of children) {
    await setParent(file, parent, path.basename(files.restingFileOf(disk, to)));
    if (records.now.activeLayers[disk.id] !== layer) {
      await freeze(files, { [disk.id]: layer });
    }
  }
}

async function setParent(file: string, parent: Layer, relativePath: string): Promise<void> {
  await chmod(file, (await stat(file)).mode | 0o200);
  const child = await openLayer(file, 'write');
  try {
    await child.setParent({ layer: parent, relativePath });
    await child.flush();
  } finally {
    await child.close();
  }
}

/** What names `from` names `to`; the file of `from` goes, or gives its place to that of `to`. */
async function renameLayer(
  files: LayerFiles,
  records: MachineRecords,
  disk: MachineDisk,
  from: string,
  to: string,
): Promise<void> {
  const { folder } = files;
  const renamed = (layers: LayerOfDisk): LayerOfDisk => ({ ...layers, [disk.id]: to });
  for (const checkpoint of records.checkpoints.filter(({ layers }) => layers[disk.id] === from)) {
    await folder.writeCheckpoint({ ...checkpoint, layers: renamed(checkpoint.layers) });
  }
  for (const trashed of records.trash.filter(({ checkpoint }) => checkpoint.layers[disk.id] === from)) {
    const { checkpoint } = trashed;
    await folder.writeTrashed({ ...trashed, checkpoint: { ...checkpoint, layers: renamed(checkpoint.layers) } });
  }
  const isActive = records.now.activeLayers[disk.id] === from;
  if (isActive && disk.place !== undefined) {
    const resting = files.restingFileOf(disk, to);
    if (await isAFile(resting)) {
      await rename(resting, disk.place);
      await syncFolder(path.dirname(disk.place));
    }
  }
  if (isActive) {
    await folder.writeNow({ ...records.now, activeLayers: renamed(records.now.activeLayers) });
  }
  if (!(isActive && disk.place !== undefined)) {
    await folder.removeFile(files.restingFileOf(disk, from));
  }
}

async function isAFile(file: string): Promise<boolean> {
  return lstat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}
