import type { DiskFormatName } from './disks.ts';

/** What the engine tells of the files that a machine's disks consist of. Paths absolute, sizes in bytes. */

/**
 * Why a layer is there: `active`, the one that Now writes to; `base`, what the machine was made with; `checkpoint`, frozen by
 * one; `trash` and `clone`, needed only by what is in the trash, or by a linked clone; `hidden`, of none of these any more, but
 * others stand on it; `outside`, not the machine's.
 */
export type LayerRole = 'active' | 'base' | 'checkpoint' | 'trash' | 'clone' | 'hidden' | 'outside';

export interface LayerInfo {
  file: string;
  disk: string;
  format: DiskFormatName;
  role: LayerRole;
  /** Names of the checkpoints that froze it, of those in the trash, or of the clones. */
  of: string[];
  virtualSizeBytes: number;
  /** What the file takes on its volume. */
  allocatedBytes: number;
  /** The file that it stands on; absent for one that stands alone. */
  parent?: string;
}

/** Now or a checkpoint, with the layer of each disk that it begins at. */
export interface ChainTops {
  kind: 'now' | 'checkpoint';
  /** Absent for Now. */
  id?: string;
  name: string;
  tops: { disk: string; file: string }[];
}

/** Operations on what disks consist of, in the form of {@link Operations}. */
export interface LayerOperations {
  /** Reads and verifies the chains of Now and of every checkpoint, or of the one that is named. Fails where one is broken. */
  layers: {
    params: { machine: string; checkpoint?: string };
    result: {
      machine: string;
      points: ChainTops[];
      /** Each file once. */
      layers: LayerInfo[];
    };
  };
}

export const layerOperationNames = ['layers'] as const satisfies readonly (keyof LayerOperations)[];
