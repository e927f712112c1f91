import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { check } from '../disks/operations/check.ts';
import { hiddenLayers } from '../model/layer-tree.ts';
import { ownFilesOf } from '../model/checkpoint.ts';
import { toWireError } from '../model/checkpoint-error.ts';
import type { LayerOfDisk } from '../model/machine.ts';
import type { Finding } from '../protocol/doctor.ts';
import { compareFrozen, contentHash, factsOf, type FrozenFacts } from '../store/frozen-layers.ts';
import { readFirmwareOf } from '../store/firmware-folder.ts';
import { ChainReader, type ChainLayer } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { signalOf, type Call } from './engine-context.ts';
import { presentMachine, readPresentFirmware } from './firmware-copy.ts';
import { readLayerGraph } from './layer-graph.ts';

export interface Examination {
  findings: Finding[];
  /** Absolute paths of files that nothing names; undefined when a broken chain makes that uncertain. */
  orphans: string[] | undefined;
  /** What is on record of frozen layers, with what a deep look added. */
  frozen: Record<string, FrozenFacts>;
  /** Changed layers whose chains verify, with what they look like now. */
  changed: Record<string, FrozenFacts>;
}

/**
 * Looks a machine over, whose records can be believed. Changes nothing.
 * @param isUp the layers that it writes to are left out of what reads content
 */
export async function examine(
  folder: MachineFolder,
  records: MachineRecords,
  isUp: boolean,
  isDeep: boolean,
  call: Call,
): Promise<Examination> {
  const { definition, now, checkpoints, trash, clones } = records;
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const findings: Finding[] = [];
  const reader = new ChainReader(files);
  /** By file: its layer, and the names of what stands on it. */
  const standing = new Map<string, { link: ChainLayer; names: string[] }>();
  const points: { name: string; layers: LayerOfDisk }[] = [
    { name: 'Now', layers: now.activeLayers },
    ...checkpoints.map(({ name, layers }) => ({ name: `“${name}”`, layers })),
    ...trash.map(({ checkpoint }) => ({ name: `“${checkpoint.name}” in the trash`, layers: checkpoint.layers })),
    ...clones.map(({ name, layers }) => ({ name: `the clone “${name}”`, layers })),
  ];
  let isWhole = true;
  for (const { name, layers } of points) {
    for (const disk of files.disks.filter(({ id }) => layers[id] !== undefined || name === 'Now')) {
      call.signal?.throwIfAborted();
      try {
        for (const link of await reader.chainOf(disk, files.layerOf(layers, disk))) {
          const known = standing.get(link.file);
          standing.set(link.file, { link, names: [...(known?.names ?? []), name] });
        }
      } catch (error) {
        isWhole = false;
        const file = layers[disk.id] === undefined ? folder.path : files.fileOf(disk, files.layerOf(layers, disk));
        findings.push(fault('chain', file, `${name} cannot be used: ${toWireError(error).message}`));
      }
    }
  }
  const { layers: onRecord } = await folder.readFrozen();
  const frozen: Examination['frozen'] = { ...onRecord };
  const changed: Examination['changed'] = {};
  const active = new Set(files.disks.map((disk) => files.fileOf(disk, files.layerOf(now.activeLayers, disk))));
  for (const [file, { link, names }] of standing) {
    call.signal?.throwIfAborted();
    const { layer, format } = link;
    if (layer === undefined) {
      continue;
    }
    const expected = onRecord[layer];
    const difference = expected === undefined ? undefined : await compareFrozen(file, expected);
    const hash =
      isDeep && expected !== undefined && !active.has(file) ? await contentHash(file, call.signal) : undefined;
    const isOtherContent = hash !== undefined && expected?.sha256 !== undefined && hash !== expected.sha256;
    if (difference !== undefined || isOtherContent) {
      const what =
        difference === undefined
          ? 'its content is another'
          : `its ${difference.field} was ${difference.expected}, and is ${difference.found}`;
      const message = `The layer ${file} was changed after it was frozen: ${what}. On it stand: ${names.join(', ')}. Restore that file from a backup; or, if you know that its content is right, accept it: ckpt doctor ${definition.name} --accept-changed.`;
      findings.push(fault('changed', file, message));
      changed[layer] = { ...(await factsOf(file)), ...(hash === undefined ? {} : { sha256: hash }) };
    } else if (hash !== undefined && expected !== undefined) {
      frozen[layer] = { ...expected, sha256: hash };
    }
    if (isDeep && !(isUp && active.has(file))) {
      const faults = await check(file, { repair: false, format, ...signalOf(call) }).catch((error: unknown) => [
        { severity: 'error' as const, message: toWireError(error).message },
      ]);
      for (const one of faults.filter(({ severity }) => severity === 'error')) {
        const message = `The layer ${file} is damaged: ${one.message} On it stand: ${names.join(', ')}.`;
        findings.push(fault('image', file, message));
      }
    }
  }
  for (const { name, memory, firmware } of [...checkpoints, ...trash.map(({ checkpoint }) => checkpoint)]) {
    const lost = firmware === undefined ? undefined : await problemOf(readFirmwareOf(folder, firmware));
    if (lost !== undefined) {
      findings.push(fault('firmware', folder.inner(firmware?.folder ?? ''), `“${name}” cannot be applied: ${lost}`));
    }
    const file = memory === undefined ? undefined : folder.inner(memory.file);
    const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
    if (file !== undefined && memory !== undefined && found?.size !== memory.sizeBytes) {
      const size = found === undefined ? 'is missing' : `has ${found.size} bytes and had ${memory.sizeBytes}`;
      const message = `The saved memory ${file} of “${name}” ${size}. Restore it from a backup, or apply that checkpoint with disks only.`;
      findings.push(fault('memory', file, message));
    }
  }
  const lostNow = await problemOf(readPresentFirmware(presentMachine(folder, definition, now)));
  if (lostNow !== undefined) {
    findings.push(fault('firmware', folder.inner(now.firmware ?? 'now.json'), `Now cannot be started: ${lostNow}`));
  }
  if (isWhole) {
    for (const { file } of await hiddenIn(files, records)) {
      const message = `The layer ${file} is hidden: no checkpoint names it, but others stand on it. It merges away when at most one needs it.`;
      findings.push({ code: 'hidden', severity: 'info', path: file, message, isRepaired: false });
    }
  }
  const orphans = isWhole ? await orphansOf(files, records, new Set(standing.keys())) : undefined;
  return { findings, orphans, frozen, changed };
}

export function fault(code: Finding['code'], file: string, message: string): Finding {
  return { code, severity: 'error', path: file, message, isRepaired: false };
}

async function problemOf(reading: Promise<unknown>): Promise<string | undefined> {
  return reading.then(
    () => undefined,
    (error: unknown) => toWireError(error).message,
  );
}

async function hiddenIn(files: LayerFiles, records: MachineRecords): Promise<{ file: string }[]> {
  const graph = await readLayerGraph(files, records, false);
  const hidden = new Set(hiddenLayers(graph.layers));
  return graph.layers.filter((layer) => hidden.has(layer));
}

/** Files of the machine's folders, and those beside its places that are named as its layers are, that nothing names. */
async function orphansOf(
  files: LayerFiles,
  { now, checkpoints, trash }: MachineRecords,
  layers: ReadonlySet<string>,
): Promise<string[]> {
  const { folder } = files;
  const whole = [...checkpoints, ...trash.map(({ checkpoint }) => checkpoint)];
  const named = new Set([
    ...layers,
    ...files.disks.flatMap((disk) => (disk.base === undefined ? [] : [files.fileOf(disk, disk.base)])),
    ...whole.flatMap(ownFilesOf).map((file) => folder.inner(file)),
    ...[now, ...whole.map(({ firmware }) => ({ firmware: firmware?.folder }))].flatMap(({ firmware }) =>
      firmware === undefined ? [] : [folder.inner(firmware)],
    ),
    ...checkpoints.map(({ id }) => folder.inner(`checkpoints/${id}.json`)),
    ...trash.map(({ checkpoint }) => folder.inner(`trash/${checkpoint.id}.json`)),
  ]);
  const found: string[] = [];
  for (const inner of ['layers', 'memory', 'firmware', 'checkpoints', 'trash'].map((name) => folder.inner(name))) {
    found.push(...(await readdir(inner).catch(() => [])).map((name) => path.join(inner, name)));
  }
  for (const { place } of files.disks) {
    if (place !== undefined) {
      const { dir, name, ext } = path.parse(place);
      const isOurs = (file: string): boolean =>
        file.startsWith(`${name}-`) &&
        file.endsWith(ext) &&
        /^[0-9a-f]{8}$/.test(file.slice(name.length + 1, file.length - ext.length));
      found.push(...(await readdir(dir)).filter(isOurs).map((file) => path.join(dir, file)));
    }
  }
  return found.filter((file) => !named.has(file));
}
