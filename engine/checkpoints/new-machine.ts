import { randomBytes, randomUUID } from 'node:crypto';
import { constants, copyFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { openLayer } from '../disks/open-chain.ts';
import { copySparse } from '../disks/sparse-copy.ts';
import { identifyImage, type ImageIdentity } from '../disks/image-format.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { DirectBoot, DiskFormat, MachineDefinition, MachineDisk } from '../model/machine.ts';
import type { Params } from '../protocol/operations.ts';
import { newFirmwareFolder, writeFirmware } from '../store/firmware-folder.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { adoptDisks } from './adopt-disks.ts';
import { hasFirmwareState } from './firmware-copy.ts';
import { newGeneration } from './generation.ts';
import { hostOf, signalOf, type Call, type EngineContext } from './engine-context.ts';
import { requireImage, type InstalledImage } from './image-library.ts';
import { createLayer, freeze, newLayerNames } from './layers.ts';
import { freeName } from './open-machine.ts';
import { requireSpaceFor } from './space-check.ts';
import { makeMachine } from './staging.ts';

const defaultMemoryMiB = 1024;
const defaultCpus = 1;

/** Creates a machine with a disk of its own, copied from an image. @returns the machine's name */
export async function createMachine(
  context: EngineContext,
  options: Params<'createMachine'>,
  call: Call,
): Promise<string> {
  const name = await freeName(context, options.name);
  if ((options.disk === undefined) === (options.image === undefined)) {
    throw new CheckpointError(
      'InvalidArgument',
      'A machine is created either from a disk or from a catalogue image. Give one of the two.',
      {},
    );
  }
  const image = options.image === undefined ? undefined : await requireImage(context.home, options.image, call);
  const disk = image === undefined ? path.resolve(options.disk ?? '') : path.join(image.folder, image.record.disk.file);
  const told = image?.record.disk.format === 'raw' ? 'raw' : options.format;
  const identity = await independentImage(disk, told);
  return build(
    context,
    name,
    options,
    image,
    async (folder) => {
      const base = `layers/disk0-base.${identity.format}`;
      const virtualSizeBytes = await inspect(disk, identity, call);
      const bytes = (await stat(disk)).blocks * 512;
      await requireSpaceFor(context, 'The copy of the disk', [{ folder: context.home.machines, bytes }]);
      call.report?.('Copying the disk');
      await copySparse(disk, folder.inner(base), call.signal);
      return { disk: { id: 'disk0', virtualSizeBytes, base }, parent: folder.inner(base), format: identity.format };
    },
    call,
  );
}

/** Makes a machine of an existing disk, which stays where it is and is never written. @returns the machine's name */
export async function addMachine(context: EngineContext, options: Params<'addMachine'>, call: Call): Promise<string> {
  if (options.host === 'disks') {
    if (options.firmware !== undefined || options.tpm !== undefined) {
      throw new CheckpointError(
        'InvalidArgument',
        'Firmware and TPM of plain disk images are those of the program that runs them. Leave --firmware and --tpm out.',
        {},
      );
    }
    return adoptDisks(context, options, call);
  }
  const name = await freeName(context, options.name);
  const given = path.resolve(options.disk);
  await identifyImage(given, options.format);
  const disk = await realpath(given);
  const identity = await independentImage(disk, options.format);
  return build(
    context,
    name,
    options,
    undefined,
    async () => {
      const virtualSizeBytes = await inspect(disk, identity, call);
      const { format, sizeBytes, modifiedMs } = identity;
      const externalBase = { path: disk, format, sizeBytes, modifiedMs };
      return { disk: { id: 'disk0', virtualSizeBytes, externalBase }, parent: disk, format };
    },
    call,
  );
}

/** An image that needs no other file: a parent that it names is not opened on its word alone. */
async function independentImage(disk: string, told: 'raw' | undefined): Promise<ImageIdentity> {
  const identity = await identifyImage(disk, told);
  if (identity.dependsOn !== undefined) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The disk ${disk} is a differencing disk: it depends on ${identity.dependsOn}. Flatten it into one file first.`,
      { path: disk, dependsOn: identity.dependsOn },
    );
  }
  return identity;
}

/** Reads the disk's size, and refuses what is damaged. @throws ImageDamaged */
async function inspect(disk: string, { format }: ImageIdentity, call: Call): Promise<number> {
  call.report?.('Checking the disk');
  const layer = await openLayer(disk, 'read', { format });
  try {
    const { virtualSizeBytes } = layer;
    if (virtualSizeBytes === 0 || virtualSizeBytes % 512 !== 0) {
      throw damaged(disk, 'virtual size', `it holds ${virtualSizeBytes} bytes, which no machine can use`);
    }
    const faults = await layer.check({ repair: false, ...signalOf(call) });
    const fault = faults.find(({ severity }) => severity === 'error');
    if (fault !== undefined) {
      throw damaged(disk, fault.field, fault.message);
    }
    return virtualSizeBytes;
  } finally {
    await layer.close();
  }
}

function damaged(disk: string, field: string, problem: string): CheckpointError {
  return new CheckpointError('ImageDamaged', `The disk ${disk} is damaged: ${problem}. Use a good copy of it.`, {
    path: disk,
    field,
    problem,
  });
}

interface FirstDisk {
  disk: MachineDisk;
  /** Absolute path of what its first layer stands on. */
  parent: string;
  format: DiskFormat;
}

/** Builds the folder out of sight and moves it to its name when it is whole. */
async function build(
  context: EngineContext,
  name: string,
  options: { memoryMiB?: number; cpus?: number; firmware?: 'bios' | 'uefi'; tpm?: boolean },
  image: InstalledImage | undefined,
  placeDisk: (folder: MachineFolder) => Promise<FirstDisk>,
  call: Call,
): Promise<string> {
  await makeMachine(context, name, async (folder) => {
    const { disk, parent, format } = await placeDisk(folder);
    const directBoot = image === undefined ? undefined : await placeKernel(folder, image);
    const definition: MachineDefinition = {
      id: randomUUID(),
      name,
      host: 'qemu',
      created: new Date().toISOString(),
      memoryMiB: options.memoryMiB ?? image?.record.memoryMiB ?? defaultMemoryMiB,
      cpus: options.cpus ?? image?.record.cpus ?? defaultCpus,
      macAddress: newMacAddress(),
      ...(options.firmware === undefined ? {} : { firmware: options.firmware }),
      ...(options.tpm === undefined ? {} : { tpm: options.tpm }),
      hasGeneration: true,
      hasPanicDevice: true,
      disks: [disk],
      ...(directBoot === undefined ? {} : { directBoot }),
    };
    const activeLayers = newLayerNames(definition);
    const header = await openLayer(parent, 'read', { format });
    await header.close();
    const relativePath = disk.externalBase === undefined ? path.basename(parent) : parent;
    for (const layer of Object.values(activeLayers)) {
      await createLayer(folder.inner(layer), 'qcow2', { layer: header, relativePath });
    }
    if (disk.base !== undefined) {
      await freeze(new LayerFiles(folder, definition, activeLayers), { [disk.id]: disk.base });
    }
    await folder.writeDefinition(definition);
    const firmware = await placeFirmware(context, folder, definition);
    await folder.writeNow({ activeLayers, ...firmware, ...newGeneration(definition) });
    call.signal?.throwIfAborted();
  });
  return name;
}

async function placeFirmware(
  context: EngineContext,
  folder: MachineFolder,
  definition: MachineDefinition,
): Promise<{ firmware?: string }> {
  if (!hasFirmwareState(definition)) {
    return {};
  }
  const firmware = newFirmwareFolder();
  await writeFirmware(folder, firmware, await hostOf(context, definition).newFirmware(definition));
  return { firmware };
}

async function placeKernel(folder: MachineFolder, image: InstalledImage): Promise<DirectBoot | undefined> {
  const { boot } = image.record;
  if (boot === undefined) {
    return undefined;
  }
  await copyFile(path.join(image.folder, boot.kernel), folder.inner('boot/kernel'), constants.COPYFILE_FICLONE);
  if (boot.initrd !== undefined) {
    await copyFile(path.join(image.folder, boot.initrd), folder.inner('boot/initrd'), constants.COPYFILE_FICLONE);
  }
  return {
    kernel: 'boot/kernel',
    ...(boot.initrd === undefined ? {} : { initrd: 'boot/initrd' }),
    commandLine: boot.commandLine,
  };
}

/** A random address under the prefix that QEMU's documentation gives for its guests. */
export function newMacAddress(): string {
  return ['52', '54', '00', ...(randomBytes(3).toString('hex').match(/../g) ?? [])].join(':');
}
