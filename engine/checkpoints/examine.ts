import { check } from '../disks/operations/check.ts';
import { hiddenLayers } from '../model/layer-tree.ts';
import { toWireError } from '../model/checkpoint-error.ts';
import type { LayerOfDisk } from '../model/machine.ts';
import { say, sayError } from '../model/sayings.ts';
import type { Finding } from '../protocol/doctor.ts';
import type { Saying, Sentence } from '../protocol/sentences.ts';
import { readFirmwareOf } from '../store/firmware-folder.ts';
import type { ChainLayer } from '../store/layer-chain.ts';
import { ChainReader } from '../store/layer-chain.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { signalOf, type Call } from './engine-context.ts';
import { examineBases, type ChangedBase } from './examine-bases.ts';
import { examineFrozen, type FrozenLook, type Standing } from './examine-frozen.ts';
import { examineMemory } from './examine-memory.ts';
import { breaking, finding, listOf, notLookedAt, withRemedies } from './findings.ts';
import { presentMachine, readPresentFirmware } from './firmware-copy.ts';
import { readLayerGraph } from './layer-graph.ts';
import { orphansOf, type Orphan } from './orphans.ts';

export interface Examination extends FrozenLook {
  findings: Finding[];
  /** Files that nothing names; none when a broken chain makes that uncertain. */
  orphans: Orphan[];
  changedBases: ChangedBase[];
  isWhole: boolean;
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
  const { definition, now, checkpoints, trash } = records;
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const bases = await examineBases(folder, records, isDeep, call);
  const { standing, findings: chains } = await followChains(files, records, call);
  const isWhole = chains.length === 0;
  const frozen = await examineFrozen(files, records, standing, isDeep, call);
  const told = new Set(bases.changed.map((one) => one.path));
  const findings = [...bases.findings, ...chains.filter((one) => !told.has(one.path)), ...frozen.findings];
  const active = new Set(files.disks.map((disk) => files.fileOf(disk, files.layerOf(now.activeLayers, disk))));
  if (isDeep) {
    for (const [file, { link, names }] of standing) {
      if (link.layer !== undefined && !(isUp && active.has(file))) {
        findings.push(...(await checkImage(file, link, names, call)));
      }
    }
  }
  if (isUp) {
    findings.push(notLookedAt(folder.path, say('machineRuns'), say('stopAndLook')));
  }
  for (const point of [...checkpoints, ...trash.map(({ checkpoint }) => checkpoint)]) {
    const { id, name, firmware } = point;
    const lost = firmware === undefined ? undefined : await problemOf(readFirmwareOf(folder, firmware));
    if (lost !== undefined) {
      findings.push(
        breaking(
          [id],
          finding(
            'firmware',
            'error',
            folder.inner(firmware?.folder ?? ''),
            say('notApplicable', { checkpoint: name, reason: lost }),
          ),
        ),
      );
    }
    findings.push(...(await examineMemory(folder, point, isDeep, call)));
  }
  const lostNow = await problemOf(readPresentFirmware(presentMachine(folder, definition, now)));
  if (lostNow !== undefined) {
    findings.push(
      finding(
        'firmware',
        'error',
        folder.inner(now.firmware ?? 'now.json'),
        say('nowNotStartable', { reason: lostNow }),
      ),
    );
  }
  if (isWhole) {
    findings.push(...(await hiddenIn(files, records)));
  } else {
    findings.push(notLookedAt(folder.path, say('orphansUncertain')));
  }
  const orphans = isWhole ? await orphansOf(files, records, new Set(standing.keys())) : [];
  return {
    ...frozen,
    frozen: { ...frozen.frozen, ...bases.seen },
    findings,
    orphans,
    isWhole,
    changedBases: bases.changed,
  };
}

/** Follows and verifies the chain of every point. One fault that several points share is told once. */
async function followChains(
  files: LayerFiles,
  { definition, now, checkpoints, trash, clones }: MachineRecords,
  call: Call,
): Promise<{ standing: Map<string, Standing>; findings: Finding[] }> {
  const reader = new ChainReader(files);
  const standing = new Map<string, Standing>();
  const broken = new Map<string, { saying: Saying; file: string; names: Sentence[]; checkpoints: string[] }>();
  const points: { name: Sentence; layers: LayerOfDisk; id?: string }[] = [
    { name: say('now'), layers: now.activeLayers },
    ...checkpoints.map(({ id, name, layers }) => ({ name: say('quoted', { name }), layers, id })),
    ...trash.map(({ checkpoint: { id, name, layers } }) => ({ name: say('inTrash', { name }), layers, id })),
    ...clones.map(({ name, layers }) => ({ name: say('theClone', { name }), layers })),
  ];
  for (const { name, layers, id: point } of points) {
    for (const disk of files.disks.filter(({ id }) => layers[id] !== undefined || name.code === 'now')) {
      call.signal?.throwIfAborted();
      try {
        for (const link of await reader.chainOf(disk, files.layerOf(layers, disk))) {
          const names = standing.get(link.file)?.names ?? [];
          standing.set(link.file, { link, names });
          names.push(name);
        }
      } catch (error) {
        const { message, data } = toWireError(error);
        const fault = broken.get(message) ?? {
          saying: sayError(error),
          file: faultyFile(data, files, layers, disk.id),
          names: [],
          checkpoints: [],
        };
        fault.names.push(name);
        fault.checkpoints.push(...(point === undefined ? [] : [point]));
        broken.set(message, fault);
      }
    }
  }
  const findings = [...broken.values()].map(({ saying, file, names, checkpoints: broke }) =>
    breaking(
      broke,
      finding('chain', 'error', file, saying, say('neededBy', { points: listOf(names), machine: definition.name })),
    ),
  );
  return { standing, findings };
}

function faultyFile(data: Record<string, unknown>, files: LayerFiles, layers: LayerOfDisk, disk: string): string {
  const { path: named } = data;
  const layer = layers[disk];
  return typeof named === 'string'
    ? named
    : layer === undefined
      ? files.folder.path
      : files.fileOf(files.disk(disk), layer);
}

async function checkImage(file: string, link: ChainLayer, names: readonly Sentence[], call: Call): Promise<Finding[]> {
  const faults = await check(file, { repair: false, format: link.format, ...signalOf(call) }).catch(
    (error: unknown) => {
      call.signal?.throwIfAborted();
      return [{ severity: 'error' as const, message: toWireError(error).message }];
    },
  );
  return faults
    .filter(({ severity }) => severity === 'error')
    .map(({ message }) =>
      withRemedies(
        finding(
          'image',
          'error',
          file,
          say('layerDamaged', { path: file, fault: message }),
          say('onItStand', { points: listOf(names) }),
          say('restoreThatFile'),
        ),
        { does: 'checkDisk', path: file },
      ),
    );
}

async function hiddenIn(files: LayerFiles, records: MachineRecords): Promise<Finding[]> {
  const graph = await readLayerGraph(files, records, false);
  const hidden = new Set(hiddenLayers(graph.layers));
  return graph.layers
    .filter((layer) => hidden.has(layer))
    .map(({ file }) => finding('hidden', 'info', file, say('layerHidden', { path: file }), say('mergesAway')));
}

async function problemOf(reading: Promise<unknown>): Promise<Saying | undefined> {
  return reading.then(
    () => undefined,
    (error: unknown) => sayError(error),
  );
}
