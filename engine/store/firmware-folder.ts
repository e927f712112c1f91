import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { FirmwareState } from '../model/checkpoint.ts';
import { systemCode } from '../model/checkpoint-error.ts';
import { errorSaying, say } from '../model/sayings.ts';
import { syncFolder } from './atomic-file.ts';
import type { MachineFolder } from './machine-folder.ts';
import { firmwareFileName } from './records.ts';

/** UEFI variables and TPM state together are far smaller: OVMF's flash is 4 MiB at the most, a TPM's state some KiB. */
const largestFileBytes = 64 * 1024 * 1024;

/** UEFI variables, as the flash memory that QEMU keeps them in. */
export const variablesFile = 'variables.fd';

/** What lies in a folder of UEFI variables and TPM state. */
export type FirmwareContent = readonly { name: string; content: Buffer }[];

/** A name for a folder that is to be made. */
export function newFirmwareFolder(): string {
  return `firmware/${randomBytes(4).toString('hex')}`;
}

/** Reads UEFI variables and TPM state whole. What never was there, such as that of a TPM never started, is left out. */
export async function readFirmware(machine: MachineFolder, folder: string): Promise<FirmwareContent> {
  const place = machine.inner(folder);
  const names = (await namesIn(place)).filter((name) => firmwareFileName.test(name)).sort();
  const content = [];
  for (const name of names) {
    const file = path.join(place, name);
    const { size } = await stat(file);
    if (size > largestFileBytes) {
      throw errorSaying(
        'MachineDamaged',
        { path: file, sizeBytes: size },
        say('firmwareTooLarge', { path: file }),
        say('restoreIt'),
      );
    }
    content.push({ name, content: await readFile(file) });
  }
  return content;
}

/** When each file of UEFI variables and TPM state was last written, in ms since 1970. */
export async function readFirmwareTimes(machine: MachineFolder, folder: string): Promise<number[]> {
  const place = machine.inner(folder);
  const names = (await namesIn(place)).filter((name) => firmwareFileName.test(name));
  return Promise.all(names.map(async (name) => (await stat(path.join(place, name))).mtimeMs));
}

/** Reads those of a checkpoint. @throws MachineDamaged when they are not what they were */
export async function readFirmwareOf(machine: MachineFolder, state: FirmwareState): Promise<FirmwareContent> {
  const found = await readFirmware(machine, state.folder);
  for (const expected of state.files) {
    const content = found.find(({ name }) => name === expected.name)?.content;
    if (content === undefined || sha256(content) !== expected.sha256) {
      const file = path.join(machine.inner(state.folder), expected.name);
      throw errorSaying(
        'MachineDamaged',
        { path: file, expected: expected.sha256, found: content === undefined ? undefined : sha256(content) },
        content === undefined ? say('fileMissing', { path: file }) : say('fileChanged', { path: file }),
        say('restoreIt'),
      );
    }
  }
  return found.filter(({ name }) => state.files.some((expected) => expected.name === name));
}

/** Makes a folder of UEFI variables and TPM state, durably. */
export async function writeFirmware(
  machine: MachineFolder,
  folder: string,
  content: FirmwareContent,
): Promise<FirmwareState> {
  const place = machine.inner(folder);
  await mkdir(place, { recursive: true, mode: 0o700 });
  for (const { name, content: bytes } of content) {
    const handle = await open(path.join(place, name), 'w', 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  for (const named of [place, path.dirname(place), machine.path]) {
    await syncFolder(named);
  }
  return {
    folder,
    files: content.map(({ name, content: bytes }) => ({
      name,
      sizeBytes: bytes.length,
      sha256: sha256(bytes),
    })),
  };
}

/** Removes such folders, if they are there. @returns bytes of the volume that this freed */
export async function removeFirmware(machine: MachineFolder, folders: readonly string[] = []): Promise<number> {
  let freedBytes = 0;
  for (const folder of folders) {
    const place = machine.inner(folder);
    const names = await namesIn(place);
    for (const name of names) {
      freedBytes += await machine.removeFile(path.join(place, name));
    }
    await rm(place, { recursive: true, force: true });
  }
  return freedBytes;
}

async function namesIn(place: string): Promise<string[]> {
  try {
    return await readdir(place);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return [];
    }
    throw error;
  }
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
