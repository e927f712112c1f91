import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { ownFilesOf, presentFiles } from '../../engine/model/checkpoint.ts';
import { ChainReader } from '../../engine/store/layer-chain.ts';
import { LayerFiles } from '../../engine/store/layer-files.ts';
import { MachineFolder } from '../../engine/store/machine-folder.ts';

/**
 * Compares what lies in a machine's folder with what its records name.
 * @returns files that nothing names, and names without a file; both empty when the folder is in order
 */
export async function auditMachine(machine: string): Promise<{ unknown: string[]; missing: string[] }> {
  const folder = new MachineFolder(machine);
  const { now, checkpoints, trash, clones, definition } = await folder.read();
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const reader = new ChainReader(files);
  const whole = [...checkpoints, ...trash.map(({ checkpoint }) => checkpoint)];
  const named = new Set<string>();
  for (const layers of [now.activeLayers, ...[...whole, ...clones].map((one) => one.layers)]) {
    for (const disk of definition.disks) {
      const chain = await reader.chainOf(disk, files.layerOf(layers, disk));
      chain.filter(({ layer }) => layer !== undefined).forEach(({ file }) => named.add(file));
    }
  }
  trash.forEach(({ checkpoint }) => named.add(path.join(machine, 'trash', `${checkpoint.id}.json`)));
  checkpoints.forEach(({ id }) => named.add(path.join(machine, 'checkpoints', `${id}.json`)));
  [...whole, presentFiles(now)].forEach((checkpoint) => {
    ownFilesOf(checkpoint).forEach((file) => named.add(folder.inner(file)));
  });
  const inFolders = await Promise.all(
    ['layers', 'memory', 'checkpoints', 'trash'].map(async (inner) =>
      (await readdir(path.join(machine, inner))).map((file) => path.join(machine, inner, file)),
    ),
  );
  const firmware = await filesOfFirmware(folder);
  for (const file of now.firmware === undefined ? [] : firmware) {
    // What a machine that never ran has of it, and what locks swtpm holds, is not on record.
    if (file.startsWith(path.join(folder.inner(now.firmware ?? ''), path.sep))) {
      named.add(file);
    }
  }
  const besideDisks = await Promise.all(definition.disks.map(({ place }) => filesBeside(place)));
  const present = [...inFolders, firmware, ...besideDisks].flat();
  const journal = (await folder.readJournal()) === undefined ? [] : [path.join(machine, 'journal.json')];
  return {
    unknown: [...present.filter((file) => !named.has(file)), ...journal],
    missing: [...named].filter((file) => !present.includes(file)),
  };
}

/** Every file of its UEFI variables and TPM states, and folders of these that are empty. */
async function filesOfFirmware(folder: MachineFolder): Promise<string[]> {
  const place = folder.inner('firmware');
  const files = [];
  for (const name of await readdir(place).catch(() => [])) {
    const within = await readdir(path.join(place, name));
    files.push(...(within.length === 0 ? [''] : within).map((file) => path.join(place, name, file)));
  }
  return files;
}

/** The file that another program uses, and those that are named as its layers are. */
async function filesBeside(place: string | undefined): Promise<string[]> {
  if (place === undefined) {
    return [];
  }
  const { dir, name, ext } = path.parse(place);
  const isOurs = (file: string): boolean =>
    file.startsWith(`${name}-`) && /^[0-9a-f]{8}$/.test(file.slice(name.length + 1, file.length - ext.length));
  return (await readdir(dir))
    .filter((file) => file === path.basename(place) || isOurs(file))
    .map((file) => path.join(dir, file));
}
