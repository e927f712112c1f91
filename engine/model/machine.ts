import type { HostId } from '../protocol/machines.ts';
import type { SavedMemory } from './saved-memory.ts';

/** What a machine is made of. Stays the same while it runs; a checkpoint keeps a copy. */
export interface MachineDefinition {
  id: string;
  name: string;
  host: HostId;
  created: string;
  /** The group that it is shown in; absent for none. What checkpoints have of this is not used. */
  group?: string;
  /** This, and what follows up to the network card, is absent where the host knows disks only. */
  memoryMiB?: number;
  cpus?: number;
  /** MAC address of its network card, such as `52:54:00:12:34:56`. */
  macAddress?: string;
  /** How it starts up; BIOS by default. */
  firmware?: 'bios' | 'uefi';
  /** Whether it has a TPM 2.0; by default not. */
  tpm?: boolean;
  /** Whether its guest can tell that it has gone back in time or been copied (QEMU docs/specs/vmgenid); of QEMU machines made before that was known, not. */
  hasGeneration?: boolean;
  /** Whether its guest can report that its kernel has panicked (QEMU docs/specs/pvpanic); of QEMU machines made before that was known, not. */
  hasPanicDevice?: boolean;
  disks: MachineDisk[];
  /** Kernel that the hypervisor loads itself; absent when the machine boots from its first disk. */
  directBoot?: DirectBoot;
}

/** The same machine in another group, or in none. */
export function inGroup({ group: _, ...definition }: MachineDefinition, group: string | undefined): MachineDefinition {
  return group === undefined ? definition : { ...definition, group };
}

export interface MachineDisk {
  /** Stable within the machine: `disk0`, `disk1`, … */
  id: string;
  virtualSizeBytes: number;
  /** Format of its layers; qcow2 by default. */
  format?: DiskFormat;
  /**
   * Absolute path that the active layer always has, for a disk that another program uses by that path; its other layers
   * lie beside it. Absent when the layers lie in the machine's folder.
   */
  place?: string;
  /** Layer that the machine was made with, and that stays when all checkpoints are gone. */
  base?: string;
  /** The image that the user added: outside the machine's folder, never written, refused once it has changed. */
  externalBase?: {
    path: string;
    format: DiskFormat;
    sizeBytes: number;
    modifiedMs: number;
    /** Of a linked clone: it has parents of its own, beside it. */
    isChain?: boolean;
    /** Folders that the rest of that chain lies in; that of `path` by default. */
    chainFolders?: string[];
  };
}

/** Formats of disk images. */
export type DiskFormat = 'raw' | 'vhd' | 'vhdx' | 'qcow2' | 'vmdk';

/** Paths are relative to the machine's folder. */
export interface DirectBoot {
  kernel: string;
  initrd?: string;
  commandLine: string;
}

/**
 * One layer of each disk: disk id → name of the layer. A path relative to the machine's folder, with forward slashes; for a
 * disk with a `place`, the name that the layer's file has beside that place when it is not the active one.
 */
export type LayerOfDisk = Readonly<Record<string, string>>;

/** The machine's present state. */
export interface Now {
  /** The checkpoint that Now grew from. */
  parent?: string;
  activeLayers: LayerOfDisk;
  /** Folder of its UEFI variables and TPM state, such as `firmware/1a2b3c4d`; absent for a machine with neither. */
  firmware?: string;
  /** Generation id that the guest is shown, a UUID: another one after each apply. */
  generation?: string;
  /** Of a machine that is saved: it is off, and its next start resumes this. */
  memory?: SavedMemory;
  /** What the last apply or undo kept, as long as it is there; absent when that discarded Now. */
  undo?: string;
  /** What the last undo kept, until something else is done. */
  redo?: string;
}

/** What a saved machine is once what was saved is resumed, kept elsewhere or given up. */
export function withoutMemory({ memory: _, ...now }: Now): Now {
  return now;
}
