import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { openLayer } from '../../disks/open-chain.ts';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { QemuInstallation } from './installation.ts';

/** UEFI firmware as QEMU maps it: code that every machine reads, and variables of which each has a copy. */
export interface UefiFirmware {
  /** Absolute path. */
  code: string;
  codeFormat: 'raw' | 'qcow2';
  /** Bytes that the code takes; saved memory is resumed only with as many. */
  codeBytes: number;
  /** Absolute path of the variables that a new machine starts with. */
  template: string;
  templateFormat: 'raw' | 'qcow2';
}

/** What is read of a firmware descriptor (QEMU's docs/interop/firmware.json, `Firmware`); the rest of it is of no use here. */
const descriptor = z.object({
  'interface-types': z.array(z.string()),
  mapping: z.object({
    device: z.literal('flash'),
    /** `split` when absent: code and variables are two files. */
    mode: z.literal('split').optional(),
    executable: z.object({ filename: z.string(), format: z.enum(['raw', 'qcow2']) }),
    'nvram-template': z.object({ filename: z.string(), format: z.enum(['raw', 'qcow2']) }),
  }),
  targets: z.array(z.object({ architecture: z.string(), machines: z.array(z.string()) })),
  features: z.array(z.string()),
});
type Descriptor = z.output<typeof descriptor>;

/** OVMF's variables take 540 KiB; flash memory is at most 8 MiB (QEMU's pc-sysfw). */
const largestVariablesBytes = 8 * 1024 * 1024;

/**
 * Finds UEFI firmware by QEMU's firmware descriptors.
 * @param variablesBytes size of the variables that it has to take; any for a new machine
 * @throws FirmwareNotFound
 */
export async function findUefi(
  qemu: QemuInstallation,
  variablesBytes?: number,
  folders: readonly string[] = descriptorFolders(qemu.emulator),
): Promise<UefiFirmware> {
  for (const file of await descriptorFiles(folders)) {
    const parsed = descriptor.safeParse(await readJson(file));
    if (parsed.success && suits(parsed.data, qemu.machineType)) {
      const { executable, 'nvram-template': template } = parsed.data.mapping;
      const code = await stat(executable.filename).catch(() => undefined);
      const size = await variablesSize(template).catch(() => undefined);
      if (code !== undefined && size !== undefined && (variablesBytes === undefined || variablesBytes === size)) {
        return {
          code: executable.filename,
          codeFormat: executable.format,
          codeBytes: code.size,
          template: template.filename,
          templateFormat: template.format,
        };
      }
    }
  }
  throw notFound(folders, variablesBytes);
}

/** The variables that a new machine starts with, as flash memory holds them. */
export async function newVariables({ template, templateFormat }: UefiFirmware): Promise<Buffer> {
  const layer = await openLayer(template, 'read', { format: templateFormat });
  try {
    const content = Buffer.alloc(Math.min(layer.virtualSizeBytes, largestVariablesBytes));
    await layer.read(content, 0);
    return content;
  } finally {
    await layer.close();
  }
}

async function variablesSize(template: Descriptor['mapping']['nvram-template']): Promise<number> {
  const layer = await openLayer(template.filename, 'read', { format: template.format });
  try {
    return layer.virtualSizeBytes;
  } finally {
    await layer.close();
  }
}

/** True for UEFI of our machine type that runs without system management mode. */
function suits(firmware: Descriptor, machineType: string): boolean {
  return (
    firmware['interface-types'].includes('uefi') &&
    !firmware.features.includes('requires-smm') &&
    !firmware.features.includes('enrolled-keys') &&
    firmware.targets.some(
      ({ architecture, machines }) =>
        architecture === 'x86_64' && machines.some((pattern) => matches(pattern, machineType)),
    )
  );
}

/** `pc-q35-*`, as glob(7) has it. */
function matches(pattern: string, name: string): boolean {
  const [start = '', ...rest] = pattern.split('*');
  const end = rest.at(-1);
  return end === undefined ? name === pattern : name.startsWith(start) && name.endsWith(end);
}

/**
 * Where descriptors lie, the most important folder first (QEMU's docs/interop/firmware.json): the user's, the
 * administrator's, and the one that came with QEMU. Homebrew's and Windows' QEMU have theirs beside the program.
 */
export function descriptorFolders(emulator: string, environment: NodeJS.ProcessEnv = process.env): string[] {
  const home = environment['HOME'];
  const configuration = environment['XDG_CONFIG_HOME'] ?? (home === undefined ? undefined : path.join(home, '.config'));
  const beside = path.dirname(emulator);
  return [
    ...(configuration === undefined ? [] : [path.join(configuration, 'qemu/firmware')]),
    '/etc/qemu/firmware',
    path.join(beside, '../share/qemu/firmware'),
    path.join(beside, 'share/firmware'),
    '/usr/share/qemu/firmware',
  ];
}

/** By file name, whatever their folder; of two with the same name the one in the more important folder counts. */
async function descriptorFiles(folders: readonly string[]): Promise<string[]> {
  const byName = new Map<string, string>();
  for (const folder of folders) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (name.endsWith('.json') && !byName.has(name)) {
        byName.set(name, path.join(folder, name));
      }
    }
  }
  return [...byName].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, file]) => file);
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    // An administrator takes a descriptor out of use by an empty file of its name.
    return undefined;
  }
}

function notFound(folders: readonly string[], variablesBytes: number | undefined): CheckpointError {
  const which =
    variablesBytes === undefined
      ? 'No UEFI firmware for QEMU is installed'
      : `No UEFI firmware for QEMU is installed that takes variables of ${variablesBytes} bytes, as this machine has them`;
  return new CheckpointError('FirmwareNotFound', `${which}. ${howToInstallUefi()}`, {
    folders,
    ...(variablesBytes === undefined ? {} : { variablesBytes }),
  });
}

/** One command for this operating system. */
export function howToInstallUefi(platform: NodeJS.Platform = process.platform): string {
  return platform === 'linux'
    ? 'Install it with: apt install ovmf (Debian, Ubuntu) or dnf install edk2-ovmf (Fedora).'
    : 'It comes with QEMU: reinstall that, or set the path of another QEMU in the settings.';
}
