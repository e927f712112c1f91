import { mkdir, readdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { ownFilesOf, presentFiles } from '../model/checkpoint.ts';
import { say, sayError } from '../model/sayings.ts';
import type { Finding } from '../protocol/doctor.ts';
import { syncFolder } from '../store/atomic-file.ts';
import type { LayerFiles } from '../store/layer-files.ts';
import type { MachineRecords } from '../store/machine-folder.ts';
import { isDraft } from '../store/record-drafts.ts';
import { bootFiles } from './clone.ts';
import { definitionsOf } from './clone-records.ts';
import { finding, repaired, retold, withRemedies } from './findings.ts';
import { restingStem } from './layers.ts';

export interface Orphan {
  file: string;
  /** Whether it is certain that it is one of ours: beside a disk of another program, people have files of their own. */
  isOurs: boolean;
}

/** Files of the machine's folders, and those beside its places that are named as its layers are, that nothing names. */
export async function orphansOf(
  files: LayerFiles,
  records: MachineRecords,
  layers: ReadonlySet<string>,
): Promise<Orphan[]> {
  const { folder } = files;
  const { checkpoints, trash, clones } = records;
  const whole = [...checkpoints, ...trash.map(({ checkpoint }) => checkpoint)];
  const named = new Set([
    ...layers,
    ...files.disks.flatMap((disk) => (disk.base === undefined ? [] : [files.fileOf(disk, disk.base)])),
    ...files.disks.flatMap(({ place }) => (place === undefined ? [] : [place])),
    ...[...whole, presentFiles(records.now)].flatMap(ownFilesOf).map((file) => folder.inner(file)),
    ...[records.now, ...whole.map(({ firmware }) => ({ firmware: firmware?.folder }))].flatMap(({ firmware }) =>
      firmware === undefined ? [] : [folder.inner(firmware)],
    ),
    ...definitionsOf(records)
      .flatMap(bootFiles)
      .map((file) => folder.inner(file)),
    ...checkpoints.map(({ id }) => folder.inner(`checkpoints/${id}.json`)),
    ...trash.map(({ checkpoint }) => folder.inner(`trash/${checkpoint.id}.json`)),
    ...clones.map(({ machine }) => folder.inner(`clones/${machine}.json`)),
  ]);
  const found: Orphan[] = [];
  for (const inner of ['layers', 'memory', 'firmware', 'boot', 'checkpoints', 'trash', 'clones'].map((one) =>
    folder.inner(one),
  )) {
    for (const name of await readdir(inner).catch(() => [])) {
      // Half a record is no orphan: it is told of as such.
      if (!isDraft(name)) {
        found.push({ file: path.join(inner, name), isOurs: true });
      }
    }
  }
  const { layers: onRecord } = await folder.readFrozen();
  for (const { place } of files.disks) {
    if (place !== undefined) {
      for (const name of await layersBesidePlace(place)) {
        found.push({ file: path.join(path.dirname(place), name), isOurs: onRecord[name] !== undefined });
      }
    }
  }
  return found.filter(({ file }) => !named.has(file));
}

/** Names of the files beside a place that are named as the layers of its disk are. */
export async function layersBesidePlace(place: string): Promise<string[]> {
  const { dir, ext } = path.parse(place);
  const stem = `${restingStem(place)}-`;
  return (await readdir(dir).catch(() => [])).filter(
    (name) =>
      name.startsWith(stem) &&
      name.endsWith(ext) &&
      /^[0-9a-f]{8}$/.test(name.slice(stem.length, name.length - ext.length)),
  );
}

export function orphanFinding({ file, isOurs }: Orphan): Finding {
  const told = [say('nothingNames', { path: file }), say('takesSpace')];
  return isOurs
    ? withRemedies(finding('orphan', 'warning', file, ...told), { does: 'repair', effect: 'lostAndFound' })
    : finding('orphan', 'warning', file, ...told, say('mayBeYours'));
}

/** Moves a file out of the machine, without ever deleting it or overwriting another. */
export async function moveToLostAndFound(file: string, place: string, found: Finding): Promise<Finding> {
  const target = path.join(place, path.basename(path.dirname(file)), path.basename(file));
  try {
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
    await rename(file, target);
    // Wherever a power failure leaves it, it is there.
    await Promise.allSettled([path.dirname(target), path.dirname(file)].map((folder) => syncFolder(folder)));
    return repaired(found, say('orphanMoved', { path: file, target }));
  } catch (error) {
    return retold(found, say('orphanNotMoved', { path: file, target, reason: sayError(error) }));
  }
}
