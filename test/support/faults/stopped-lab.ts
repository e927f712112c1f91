import { mkdir, readdir, copyFile, chmod, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ServiceCalls } from '../../../engine/checkpoints/checkpoint-service.ts';
import { create } from '../../../engine/disks/operations/create.ts';
import { openChain } from '../../../engine/disks/open-chain.ts';
import { createEngine, type Engine } from '../../../engine/engine.ts';
import type { MachineInfo } from '../../../engine/protocol/machines.ts';
import type { Params } from '../../../engine/protocol/operations.ts';
import { newFirmwareFolder, variablesFile, writeFirmware } from '../../../engine/store/firmware-folder.ts';
import { Home } from '../../../engine/store/home.ts';
import { MachineFolder } from '../../../engine/store/machine-folder.ts';
import { taggedContent } from '../disks/disk-model.ts';

export const lab = 'lab';
export const diskBytes = 192 * 1024;

/** Where a verb is tried: the home that it changes, and a disk image outside of it. */
export interface Place {
  home: string;
  image: string;
}

/** A verb with what it is given there. */
export type VerbCall = (engine: Engine, place: Place) => Promise<unknown>;

/** A verb that needs something to have happened before, which no fault meets. */
export interface PreparedVerb {
  prepare: VerbCall;
  verb: VerbCall;
  /** What is to be the same before and after besides what `list` shows, as plain data. */
  look?: VerbCall;
}

export function call<K extends keyof ServiceCalls>(verb: K, params: (place: Place) => Params<K>): VerbCall {
  return ({ service }, place) => {
    const calls: ServiceCalls = service;
    return calls[verb](params(place), {});
  };
}

export function engineOf(home: string): Engine {
  return createEngine('test', new Home(home));
}

/** Writes to a machine's disks as its guest would: through our own disk engine, in the active layer. */
export async function writeToNow(
  machine: { disks: readonly Pick<MachineInfo['disks'][number], 'activeLayer'>[] },
  tag: number,
  offset: number,
  length: number,
  allowParents: readonly string[] = [],
): Promise<void> {
  for (const disk of machine.disks) {
    const chain = await openChain(disk.activeLayer, {
      allowParents,
      access: (depth) => (depth === 0 ? 'write' : 'read'),
    });
    try {
      await chain.top.write(taggedContent(offset, length, tag), offset);
      await chain.top.flush();
    } finally {
      await chain.close();
    }
  }
}

/** An image with something in it. */
export async function makeImage(file: string): Promise<void> {
  await create(file, { format: 'qcow2', virtualSizeBytes: diskBytes });
  const chain = await openChain(file, { access: () => 'write' });
  try {
    await chain.top.write(taggedContent(0, 64 * 1024, 1), 0);
  } finally {
    await chain.close();
  }
}

/**
 * Makes the machine whose verbs are tried, each of its points with other content:
 *
 * ```
 * one ─┬─ two ── Before applying “one” (expires; what undo goes back to)
 *      └─ three ── Now
 * ```
 */
export async function makeLab(place: Place): Promise<void> {
  await makeImage(place.image);
  const { service } = engineOf(place.home);
  await service.createMachine({ name: lab, disk: place.image }, {});
  const folder = new MachineFolder(path.join(new Home(place.home).machines, lab));
  await giveFirmware(folder);
  let tag = 2;
  const write = async (): Promise<void> => {
    const { machine } = await service.show({ machine: lab });
    await writeToNow(machine, tag, (tag % 4) * 40_000, 5000);
    await writeFirmwareOfNow(folder, tag);
    tag += 1;
  };
  await write();
  await service.take({ machine: lab, name: 'one' }, {});
  await write();
  await service.take({ machine: lab, name: 'two' }, {});
  await write();
  await service.apply({ machine: lab, checkpoint: 'one' }, {});
  await write();
  await service.take({ machine: lab, name: 'three' }, {});
  await write();
}

/** Makes a machine that never ran one with UEFI and a TPM, whatever of both is installed here. */
async function giveFirmware(folder: MachineFolder): Promise<void> {
  const { definition, now } = await folder.read();
  const firmware = newFirmwareFolder();
  await writeFirmware(folder, firmware, []);
  await folder.writeDefinition({ ...definition, firmware: 'uefi', tpm: true });
  await folder.writeNow({ ...now, firmware });
}

/** As firmware and guest would. */
async function writeFirmwareOfNow(folder: MachineFolder, tag: number): Promise<void> {
  const { now } = await folder.read();
  await writeFirmware(folder, now.firmware ?? '', [
    { name: variablesFile, content: taggedContent(0, 4096, tag) },
    { name: 'tpm2-00.permall', content: taggedContent(0, 1500, tag + 100) },
  ]);
}

/** Copies a home, faster than `cp` of Node does for many small files. */
export async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) {
      await copyFolder(source, target);
    } else {
      await copyFile(source, target);
      await chmod(target, (await stat(source)).mode & 0o777);
    }
  }
}
