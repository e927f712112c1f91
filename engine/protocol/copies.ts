import type { DiskFormatName } from './disks.ts';
import type { MachineInfo } from './machines.ts';

/** Operations that make machines of machines, or free them of others, in the form of {@link Operations}. */
export interface CopyOperations {
  clone: {
    params: {
      machine: string;
      /** Default: Now of a stopped machine, of which a checkpoint is taken first. */
      checkpoint?: string;
      name: string;
      /** Copies the disks. Otherwise the clone stands on those of the checkpoint, and takes no time. */
      full?: boolean;
      /** Folder to make for the disks of a machine that is plain disk images, which another program uses; needed for such. */
      disksFolder?: string;
    };
    result: { machine: MachineInfo; totalMs: number };
  };
  /** Afterwards neither Now nor any checkpoint needs a file outside of the machine. */
  flatten: { params: { machine: string }; result: { machine: MachineInfo; copiedBytes: number } };
  /** Moves the folder of a stopped machine; it keeps its name and id. */
  move: {
    params: {
      machine: string;
      /** Folder that the machine's own is to lie in, on any disk. Default: back into the home. */
      folder?: string;
    };
    result: { machine: MachineInfo; copiedBytes: number };
  };
  export: {
    params: {
      machine: string;
      /** Folder to make. */
      target: string;
      /** Only the disks of that checkpoint, each as one image; the whole machine otherwise. */
      checkpoint?: string;
      /** With `checkpoint`: format of those images; default qcow2. */
      to?: DiskFormatName;
    };
    result: { folder: string; files: string[]; sizeBytes: number };
  };
  /** Makes a machine of an exported one, which stays. */
  import: {
    params: {
      folder: string;
      /** Default: its name when it was exported. */
      name?: string;
      /** Folder to make for the disks of a machine that is plain disk images, which another program uses; needed for such. */
      disksFolder?: string;
    };
    result: { machine: MachineInfo };
  };
}

export const copyOperationNames = [
  'clone',
  'flatten',
  'move',
  'export',
  'import',
] as const satisfies readonly (keyof CopyOperations)[];
