/** What the engine tells of disk images. Sizes and offsets in bytes, paths absolute. */

export type DiskFormatName = 'raw' | 'vhd' | 'vhdx' | 'qcow2' | 'vmdk';

/** Names an image, and says what its content cannot tell. */
export interface OnDisk {
  file: string;
  /** The only way to open a raw disk; by content otherwise. */
  from?: DiskFormatName;
  /** Folders that parents and other parts may lie in besides the image's own. */
  allowParents?: string[];
}

/** As {@link OnDisk}; what is read may be a snapshot inside the image, by id or name. */
export interface OnDiskToRead extends OnDisk {
  snapshot?: string;
}

/** Facts of one layer, from its own file alone. */
export interface DiskInfo {
  file: string;
  format: DiskFormatName;
  virtualSizeBytes: number;
  logicalSectorBytes: number;
  fileSizeBytes: number;
  /** What the file takes on its volume; less than its size where it has holes. */
  allocatedBytes: number;
  /** Where the layer says that its parent is; absent for a disk that stands alone. */
  parent?: { paths: string[]; format?: DiskFormatName };
  /** By the specification's names. */
  identity: Readonly<Record<string, string>>;
  details: Readonly<Record<string, string | number | boolean>>;
  /** Points in time inside the image (qcow2); absent where there are none. */
  snapshots?: InnerSnapshotInfo[];
}

/** A snapshot inside an image. */
export interface InnerSnapshotInfo {
  id: string;
  name: string;
  /** Milliseconds since the epoch. */
  takenMs: number;
  virtualSizeBytes: number;
  /** 0 when the guest's memory is not in it. */
  vmStateBytes: number;
}

/** An extent of what the guest sees. */
export interface MappedExtent {
  offset: number;
  length: number;
  state: 'data' | 'zero';
  /** False for zeros that no layer speaks of. */
  isStored: boolean;
  /** Place from the top of the layer that decides, 0 for the image itself; absent where none does. */
  depth?: number;
  file?: string;
  /** Where the data lies in that file; absent when it is not stored, or stored compressed. */
  fileOffset?: number;
  isCompressed?: boolean;
}

/** How many extents or ranges one answer holds unless told otherwise. */
export const defaultDiskListLimit = 100_000;

export interface DiskFault {
  severity: 'error' | 'leak';
  field: string;
  message: string;
  isRepaired: boolean;
}

/** Operations on images, in the form of {@link Operations}. */
export interface DiskOperations {
  diskInfo: { params: OnDisk; result: DiskInfo };
  diskCreate: {
    params: {
      file: string;
      to: DiskFormatName;
      /** Exactly one of `sizeBytes` and `parent`. */
      sizeBytes?: number;
      parent?: string;
      /** Format of the parent when its content cannot tell. */
      from?: DiskFormatName;
      fixed?: boolean;
      /** VHD and VHDX block size, qcow2 cluster size. */
      blockBytes?: number;
      /** VHDX: 512 or 4096. */
      logicalSectorBytes?: number;
      allowParents?: string[];
    };
    result: DiskInfo;
  };
  diskChain: { params: OnDisk; result: { layers: DiskInfo[] } };
  diskMap: {
    params: OnDiskToRead & { offset?: number; limit?: number };
    result: {
      virtualSizeBytes: number;
      extents: MappedExtent[];
      /** Where to go on; absent when this was all. */ nextOffset?: number;
    };
  };
  diskCheck: {
    params: OnDisk & { repair?: boolean };
    result: { faults: DiskFault[]; /** No error is left; leaked space may be. */ isSound: boolean };
  };
  diskMerge: {
    params: OnDisk & {
      /** The child's parent by default. */
      into?: string;
      /** The other way round: the ancestor's data into the child. */
      reverse?: boolean;
    };
    result: { into: string; obsolete: string[]; movedBytes: number };
  };
  diskConvert: {
    params: OnDiskToRead & {
      target: string;
      to: DiskFormatName;
      flatten?: boolean;
      /** VMDK: the compressed form for transport. */
      streamOptimized?: boolean;
      fixed?: boolean;
      blockBytes?: number;
      logicalSectorBytes?: number;
    };
    result: { files: string[]; virtualSizeBytes: number; writtenBytes: number };
  };
  diskCompact: {
    params: OnDisk;
    result: { allocatedBytes: { before: number; after: number }; fileSizeBytes: { before: number; after: number } };
  };
  diskResize: { params: OnDisk & { sizeBytes: number }; result: DiskInfo };
  diskCompare: {
    params: OnDiskToRead & {
      other: string;
      /** Format of `other` when its content cannot tell. */ to?: DiskFormatName;
      limit?: number;
    };
    result: {
      isSame: boolean;
      differingBytes: number;
      differingRanges: number;
      /** The first of them, `limit` at most. */
      ranges: { offset: number; length: number }[];
      virtualSizeBytes: { a: number; b: number };
      readBytes: number;
    };
  };
  diskRebase: {
    params: {
      file: string;
      parent: string;
      /** Format of the parent when its content cannot tell. */
      from?: DiskFormatName;
      acceptMismatch?: boolean;
      allowParents?: string[];
    };
    result: DiskInfo;
  };
  /** Serves until `diskStopServing`, or the engine's end. */
  diskServe: {
    params: OnDiskToRead & { socket: string; readOnly?: boolean };
    result: { uri: string; socket: string; isReadOnly: boolean };
  };
  diskStopServing: { params: { socket: string }; result: { socket: string } };
}

export const diskOperationNames = [
  'diskInfo',
  'diskCreate',
  'diskChain',
  'diskMap',
  'diskCheck',
  'diskMerge',
  'diskConvert',
  'diskCompact',
  'diskResize',
  'diskCompare',
  'diskRebase',
  'diskServe',
  'diskStopServing',
] as const satisfies readonly (keyof DiskOperations)[];
