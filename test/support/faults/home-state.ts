import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { openChain } from '../../../engine/disks/open-chain.ts';
import type { LayerOfDisk } from '../../../engine/model/machine.ts';
import type { SavedMemory } from '../../../engine/model/saved-memory.ts';
import { isUnread } from '../../../engine/model/unread-machine.ts';
import type { MachineInfo } from '../../../engine/protocol/machines.ts';
import { readFirmware } from '../../../engine/store/firmware-folder.ts';
import { Home } from '../../../engine/store/home.ts';
import { readMoved } from '../../../engine/store/moved-machines.ts';
import { LayerFiles } from '../../../engine/store/layer-files.ts';
import { unpackFile } from '../../../engine/store/packed-file.ts';
import { MachineFolder } from '../../../engine/store/machine-folder.ts';
import { isDraft } from '../../../engine/store/record-drafts.ts';
import { auditMachine } from '../folder-audit.ts';
import type { Place } from './stopped-lab.ts';

/** All that a user has: every tree, and what every disk of every point of it holds. */
export type HomeState = Record<string, MachineState>;

interface MachineState {
  state: string;
  problem?: string;
  /** By what a new checkpoint is called in both of two states that are compared. */
  checkpoints: Record<string, PointState>;
  now: {
    parent?: string;
    undo?: string;
    redo?: string;
    disks: string[];
    firmware: Record<string, string>;
    memory?: string;
  };
  /** What is in the trash, by the same names. */
  trash: Record<string, { parent?: string; disks: string[] }>;
  /** Files outside of the machine that its definition allows it to stand on. */
  standsOn: string[];
}

interface PointState {
  parent?: string;
  name: string;
  createdBy: string;
  expires: boolean;
  isInGroup: boolean;
  notes?: string;
  /** SHA-256 of each disk. */
  disks: string[];
  /** SHA-256 of each file of its UEFI variables and TPM state. */
  firmware: Record<string, string>;
  /** SHA-256 of its memory. */
  memory?: string;
  isPacked?: boolean;
}

/**
 * @param machines as `list` tells them
 * @param known ids that were there before; others are made alike
 */
export async function stateOf(
  machines: readonly MachineInfo[],
  known: ReadonlySet<string>,
  place: Place,
): Promise<HomeState> {
  const state: HomeState = {};
  for (const machine of machines) {
    state[machine.name] = await machineState(machine, known, place);
  }
  return state;
}

async function machineState(machine: MachineInfo, known: ReadonlySet<string>, place: Place): Promise<MachineState> {
  const news = machine.checkpoints.filter(({ id }) => !known.has(id)).map(({ id }) => id);
  const label = (id: string): string => (known.has(id) ? id : `new ${news.indexOf(id)}`);
  const { state, problem, now } = machine;
  const checkpoints: Record<string, PointState> = {};
  const trash: MachineState['trash'] = {};
  const standsOn: string[] = [];
  const folder = new MachineFolder(machine.folder);
  let firmware: Record<string, string> = {};
  let memory: { memory?: string } = {};
  if (!isUnread(machine)) {
    const records = await folder.read();
    firmware = await firmwareHashes(folder, records.now.firmware);
    memory = await memoryOf(folder, records.now.memory);
    standsOn.push(...records.definition.disks.flatMap(({ externalBase }) => externalBase?.path ?? []));
    const layers = new LayerFiles(folder, records.definition, records.now.activeLayers);
    const filesOf = (of: LayerOfDisk): string[] =>
      Object.entries(of).map(([disk, layer]) => layers.fileOf(layers.disk(disk), layer));
    for (const { checkpoint } of records.trash) {
      const { id, parent } = checkpoint;
      const files = filesOf(checkpoint.layers);
      trash[label(id)] = {
        ...(parent === undefined ? {} : { parent: label(parent) }),
        disks: await contents(files, place),
      };
    }
    for (const { id, parent, name, createdBy, expires, notes, group } of machine.checkpoints) {
      const found = records.checkpoints.find((checkpoint) => checkpoint.id === id);
      const files = filesOf(found?.layers ?? {});
      checkpoints[label(id)] = {
        ...(parent === undefined ? {} : { parent: label(parent) }),
        name,
        createdBy,
        expires: expires !== undefined,
        isInGroup: group !== undefined,
        ...(notes === undefined ? {} : { notes }),
        disks: await contents(files, place),
        firmware: await firmwareHashes(folder, found?.firmware?.folder),
        ...(await memoryOf(folder, found?.memory)),
      };
    }
  }
  return {
    state,
    ...(problem === undefined ? {} : { problem }),
    checkpoints,
    now: {
      ...(now.parent === undefined ? {} : { parent: label(now.parent) }),
      ...(now.undo === undefined ? {} : { undo: label(now.undo) }),
      ...(now.redo === undefined ? {} : { redo: label(now.redo) }),
      disks: await contents(
        machine.disks.map((disk) => disk.activeLayer),
        place,
      ),
      firmware,
      ...memory,
    },
    trash,
    standsOn,
  };
}

/** The memory of tests is a few words. */
async function memoryOf(
  folder: MachineFolder,
  memory: SavedMemory | undefined,
): Promise<{ memory?: string; isPacked?: boolean }> {
  if (memory === undefined) {
    return {};
  }
  const { sizeBytes, packedBytes } = memory;
  const file = folder.inner(memory.file);
  const hash = createHash('sha256');
  for await (const piece of packedBytes === undefined ? [await readFile(file)] : unpackFile(file, sizeBytes)) {
    hash.update(piece);
  }
  return { memory: hash.digest('hex'), isPacked: packedBytes !== undefined };
}

async function firmwareHashes(folder: MachineFolder, inner: string | undefined): Promise<Record<string, string>> {
  const content = inner === undefined ? [] : await readFirmware(folder, inner);
  return Object.fromEntries(
    content.map((file) => [file.name, createHash('sha256').update(file.content).digest('hex')]),
  );
}

async function contents(files: readonly string[], place: Place): Promise<string[]> {
  return Promise.all(files.map((file) => contentHash(file, [path.dirname(place.image)])));
}

/** SHA-256 of a disk, read whole through its chain. */
export async function contentHash(file: string, allowParents: readonly string[] = []): Promise<string> {
  const chain = await openChain(file, { allowParents });
  try {
    const content = Buffer.alloc(chain.top.virtualSizeBytes);
    await chain.top.read(content, 0);
    return createHash('sha256').update(content).digest('hex');
  } finally {
    await chain.close();
  }
}

/** What a machine's folder has besides the folders that {@link auditMachine} looks through. */
const ownNames = new Set([
  'machine.json',
  'now.json',
  'frozen.json',
  'reserve',
  'policy.json',
  'trash',
  'checkpoints',
  'clones',
  'layers',
  'memory',
  'boot',
  'firmware',
  'run',
  'lock',
]);

/** Files that no state explains, and those that are missing, each relative to the home. */
export async function faultsOfHome(home: string): Promise<{ unknown: string[]; missing: string[] }> {
  const machines = path.join(home, 'machines');
  const found: { unknown: string[]; missing: string[] } = { unknown: [], missing: [] };
  for (const name of await readdir(machines)) {
    const moved = name.endsWith('.moved.json')
      ? readMoved(new Home(home), name.slice(0, -'.moved.json'.length))
      : undefined;
    const machine = moved?.path ?? path.join(machines, name);
    if (name === '.sweep') {
      continue;
    }
    if (name.startsWith('.') || isDraft(name) || moved?.move !== undefined || moved?.removal !== undefined) {
      found.unknown.push(path.join(machines, name));
      continue;
    }
    const { unknown, missing } = await auditMachine(machine);
    const strangers = (await readdir(machine)).filter((entry) => !ownNames.has(entry));
    found.unknown.push(...strangers.map((entry) => path.join(machine, entry)), ...unknown);
    found.missing.push(...missing);
  }
  const relative = (files: string[]): string[] => [...new Set(files.map((file) => path.relative(home, file)))];
  return { unknown: relative(found.unknown), missing: relative(found.missing) };
}
