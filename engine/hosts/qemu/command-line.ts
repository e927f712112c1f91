import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFormat, MachineDefinition } from '../../model/machine.ts';
import { cpuModel, type Accelerator } from './accelerator.ts';
import type { Sockets } from './sockets-folder.ts';

/** QEMU's names for the formats (`BlockdevDriver` of its block-core schema). */
const qemuFormat: Readonly<Record<DiskFormat, string>> = {
  raw: 'raw',
  vhd: 'vpc',
  vhdx: 'vhdx',
  qcow2: 'qcow2',
  vmdk: 'vmdk',
};

/** The hardware of a machine that QEMU runs. @throws MachineDamaged */
export function hardwareOf(definition: MachineDefinition): { memoryMiB: number; cpus: number; macAddress: string } {
  const { memoryMiB, cpus, macAddress } = definition;
  if (memoryMiB === undefined || cpus === undefined || macAddress === undefined) {
    throw new CheckpointError(
      'MachineDamaged',
      `The definition of machine “${definition.name}” does not say what hardware it has. Restore machine.json from a backup.`,
      { machine: definition.name },
    );
  }
  return { memoryMiB, cpus, macAddress };
}

/** One file of a disk's chain, as a QEMU block node. */
export interface ChainNode {
  nodeName: string;
  /** Absolute path. */
  file: string;
  format: DiskFormat;
}

/** A disk and its chain, from the active layer down to the base. */
export interface DiskChain {
  diskId: string;
  nodes: ChainNode[];
}

export interface CommandLine {
  definition: MachineDefinition;
  machineType: string;
  accelerator: Accelerator;
  chains: DiskChain[];
  sockets: Sockets;
  /** Absolute paths of kernel and initial RAM disk. */
  directBoot?: { kernel: string; initrd?: string; commandLine: string };
  /** Code and variables of UEFI, by absolute paths. */
  uefi?: { code: string; codeFormat: 'raw' | 'qcow2'; variables: string };
  /** A UUID; the machine's own by default. */
  generation?: string;
  /** Where memory is restored from (QEMU's `-incoming`). */
  incoming?: string;
}

/**
 * The id itself is left out: it is to differ. When memory is loaded, QEMU writes the one of its command line into the guest,
 * and tells the guest (QEMU docs/specs/vmgenid).
 */
const generationDevice = 'vmgenid,id=generation0';

/** On the ISA bus, where every Linux that knows it at all looks for it, and where it takes no PCI slot. */
const panicDevice = 'pvpanic,id=panic0';

/** Arguments that the guest can see. QEMU itself notices hardly any difference when it resumes memory, so they are recorded and compared. */
export function guestArguments(definition: MachineDefinition, machineType: string, accelerator: Accelerator): string[] {
  const { cpus, memoryMiB, macAddress } = hardwareOf(definition);
  return [
    ['-machine', machineType],
    definition.firmware === 'uefi' ? ['-machine', 'pflash0=uefi-code,pflash1=uefi-variables'] : [],
    ['-cpu', cpuModel(accelerator)],
    ['-smp', String(cpus)],
    ['-m', `${memoryMiB}M`],
    ['-uuid', definition.id],
    ['-rtc', 'base=utc'],
    ...definition.disks.map((disk, index) => [
      '-device',
      `virtio-blk-pci,id=${disk.id},serial=${disk.id},drive=${disk.id},bootindex=${index + 1}`,
    ]),
    definition.tpm === true ? ['-device', 'tpm-tis,tpmdev=tpm0'] : [],
    definition.hasGeneration === true ? ['-device', generationDevice] : [],
    definition.hasPanicDevice === true ? ['-device', panicDevice] : [],
    ['-device', 'virtio-rng-pci,id=rng0'],
    ['-device', 'virtio-serial-pci,id=ports0'],
    ['-device', 'virtserialport,chardev=agent0,name=org.qemu.guest_agent.0,id=agent0'],
    ['-device', `virtio-net-pci,id=net0,netdev=network0,mac=${macAddress},romfile=`],
  ].flat();
}

/**
 * The whole command line, one argument an element; nothing of it ever passes through a shell. The guest stands still (`-S`)
 * until it is told to run: by then the process is on record.
 */
export function commandLine(wanted: CommandLine): string[] {
  const { definition, sockets, chains } = wanted;
  const activeNode = new Map(chains.map((chain) => [chain.diskId, chain.nodes[0]?.nodeName]));
  return [
    ['-name', `guest=${escapeCommas(definition.name)}`],
    ['-nodefaults', '-no-user-config', '-display', 'none', '-accel', wanted.accelerator, '-S'],
    // A guest that has panicked stands still, for whoever wants to look into it, or to go back.
    ['-action', 'panic=pause'],
    ...chains.flatMap((chain) => chainArguments(chain.nodes)),
    ...(wanted.uefi === undefined ? [] : [uefiArguments(wanted.uefi)]),
    definition.tpm === true ? tpmArguments(sockets) : [],
    [
      '-chardev',
      `socket,id=serial0,path=${escapeCommas(sockets.serial)},server=on,wait=off,logfile=${escapeCommas(sockets.serialLog)}`,
    ],
    ['-serial', 'chardev:serial0'],
    ['-chardev', `socket,id=agent0,path=${escapeCommas(sockets.agent)},server=on,wait=off`],
    ['-netdev', 'user,id=network0'],
    guestArguments(definition, wanted.machineType, wanted.accelerator).map((argument) => {
      if (argument === generationDevice) {
        return `${argument},guid=${wanted.generation ?? definition.id}`;
      }
      const disk = /^virtio-blk-pci,id=(disk\d+),/.exec(argument)?.[1];
      return disk === undefined ? argument : argument.replace(`drive=${disk}`, `drive=${activeNode.get(disk) ?? disk}`);
    }),
    ['-chardev', 'stdio,id=events0,signal=off', '-mon', 'chardev=events0,mode=control'],
    ['-chardev', `socket,id=monitor0,path=${escapeCommas(sockets.monitor)},server=on,wait=off`],
    ['-mon', 'chardev=monitor0,mode=control'],
    ['-chardev', `socket,id=status0,path=${escapeCommas(sockets.status)},server=on,wait=off`],
    ['-mon', 'chardev=status0,mode=control'],
    ...(wanted.directBoot === undefined ? [] : [directBootArguments(wanted.directBoot)]),
    ...(wanted.incoming === undefined ? [] : [['-incoming', wanted.incoming]]),
  ].flat();
}

/** Each file is opened once, by name, with its parent told: nothing is probed and no header is followed. */
function chainArguments(nodes: ChainNode[]): string[][] {
  return nodes
    .map((node, index) => {
      const parent = nodes[index + 1];
      return [
        ['-blockdev', JSON.stringify(fileNode(node, index > 0))],
        ['-blockdev', JSON.stringify(formatNode(node, index > 0, parent?.nodeName ?? null))],
      ].flat();
    })
    .reverse();
}

/** `BlockdevOptionsFile` of QEMU's block-core schema. */
export function fileNode(node: ChainNode, isReadOnly: boolean): Record<string, unknown> {
  return {
    driver: 'file',
    'node-name': `${node.nodeName}-f`,
    filename: node.file,
    'read-only': isReadOnly,
    'auto-read-only': false,
  };
}

/** The format's node on top of {@link fileNode}. Formats that know a parent are told theirs, or that there is none. */
export function formatNode(node: ChainNode, isReadOnly: boolean, backing: string | null): Record<string, unknown> {
  return {
    driver: qemuFormat[node.format],
    'node-name': node.nodeName,
    file: `${node.nodeName}-f`,
    'read-only': isReadOnly,
    ...(node.format === 'qcow2' || node.format === 'vmdk' ? { backing } : {}),
    ...(node.format === 'qcow2' ? { discard: 'unmap' } : {}),
  };
}

/** The nodes that `pflash0` and `pflash1` name. */
function uefiArguments({ code, codeFormat, variables }: NonNullable<CommandLine['uefi']>): string[] {
  const node = (name: string, format: string, file: string, isReadOnly: boolean): string[] => {
    const access = { 'read-only': isReadOnly, 'auto-read-only': false };
    return [
      ['-blockdev', JSON.stringify({ driver: 'file', 'node-name': `${name}-f`, filename: file, ...access })],
      ['-blockdev', JSON.stringify({ driver: format, 'node-name': name, file: `${name}-f`, ...access })],
    ].flat();
  };
  return [...node('uefi-code', codeFormat, code, true), ...node('uefi-variables', 'raw', variables, false)];
}

function tpmArguments({ tpm }: Sockets): string[] {
  return [
    ['-chardev', `socket,id=tpm-control0,path=${escapeCommas(tpm)}`],
    ['-tpmdev', 'emulator,id=tpm0,chardev=tpm-control0'],
  ].flat();
}

function directBootArguments(boot: NonNullable<CommandLine['directBoot']>): string[] {
  return [
    ['-kernel', boot.kernel],
    boot.initrd === undefined ? [] : ['-initrd', boot.initrd],
    ['-append', boot.commandLine],
  ].flat();
}

/** In QEMU's option syntax a comma inside a value is written twice. */
function escapeCommas(value: string): string {
  return value.replaceAll(',', ',,');
}
