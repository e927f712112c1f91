import type { DiskFormat } from '../model/machine.ts';
import type { DiskFile } from './disk-file.ts';

/**
 * Where a range of one layer's content comes from.
 * `data`: this layer. `zero`: this layer, and all of it is zero without being stored.
 * `parent`: the layer below, or zeros where there is none.
 */
export type ExtentState = 'data' | 'zero' | 'parent';

/** A range of the guest-visible disk, in bytes. */
export interface Extent {
  offset: number;
  length: number;
  state: ExtentState;
  /** Where the data lies in the layer's file; absent when it is not stored, or stored compressed. */
  fileOffset?: number;
  isCompressed?: boolean;
}

/** How one long call is to be carried out. */
export interface LongCall {
  signal?: AbortSignal;
  /** @param doneBytes of `totalBytes`, both as the operation counts them */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/**
 * One layer, as a disk: reads pass through to the parent where this layer has nothing. Offsets and lengths in bytes, any
 * alignment. Calls may overlap; overlapping writes of the same range end as one of them. All lengths stay below 2^53,
 * and so far as VHDX goes (64 TiB) every number is exact.
 */
export interface Disk {
  readonly format: DiskFormat;
  readonly virtualSizeBytes: number;
  /** 512 or 4096: the smallest unit that a guest writes. */
  readonly logicalSectorBytes: number;
  readonly isReadOnly: boolean;

  /** Fills the whole buffer. @throws InvalidArgument beyond the end; ImageDamaged, naming the field */
  read(buffer: Buffer, offset: number): Promise<void>;
  /** @throws InvalidArgument beyond the end; PermissionDenied on a read-only disk */
  write(buffer: Buffer, offset: number): Promise<void>;
  /** Makes a range zero, without storing zeros where the format can say so. The parent does not show through. */
  zero(offset: number, length: number): Promise<void>;
  /** The guest needs a range no more: it reads as zeros afterwards, as after {@link zero}, and space is given back where possible. */
  discard(offset: number, length: number): Promise<void>;
  /** Makes all finished writes durable, in the order that lets the image open after a crash at any instant. */
  flush(): Promise<void>;
  /**
   * This layer's extents over a range, in order, without gaps, neighbours of one state joined where that is cheap. Reads
   * metadata only, bounded pieces of it at a time: a 64 TiB disk does not fill the memory.
   */
  extents(offset: number, length: number, signal?: AbortSignal): AsyncIterable<Extent>;
  /** Flushes what is to be flushed, and closes the layer's own file; not the parent's. */
  close(): Promise<void>;
}

/** What a differencing layer says of its parent. */
export interface ParentReference {
  /** Paths as the layer has them, in the order to try (relative ones first), each already in this system's notation. */
  paths: string[];
  /** Parent's format when the layer names it (qcow2), or its own (VHD, VHDX, VMDK). */
  format?: DiskFormat;
}

/** A way in which a parent is not the one that the layer was made on. */
export interface ParentDifference {
  /** The specification's name of the field. */
  field: string;
  expected: string;
  found: string;
}

/** A fault that {@link Layer.check} found. */
export interface Fault {
  /** `error`: content is or may be wrong. `leak`: space is lost, content is right. */
  severity: 'error' | 'leak';
  /** The specification's name of the field or structure. */
  field: string;
  /** A sentence for the user. */
  message: string;
  /** True once `check` with `repair` has mended it. */
  isRepaired: boolean;
}

/** A snapshot inside an image. */
export interface InnerSnapshot {
  id: string;
  name: string;
  /** When it was taken, in milliseconds since the epoch. */
  takenMs: number;
  virtualSizeBytes: number;
  /** 0 when the guest's memory is not in it. */
  vmStateBytes: number;
}

/** One layer of a chain with what its format knows beyond {@link Disk}. */
export interface Layer extends Disk {
  readonly file: DiskFile;
  /** Undefined for a disk that stands alone. */
  readonly parentReference: ParentReference | undefined;
  /** What distinguishes this layer for its children and for `info`, by the specification's names (`DataWriteGuid`, `unique_id`, …). */
  readonly identity: Readonly<Record<string, string>>;
  /** Further facts for `info`, by the specification's names (`block_size`, `cluster_bits`, …). */
  readonly details: Readonly<Record<string, string | number | boolean>>;

  /** Whether the parent is the one that this layer was made on; every difference that there is. Pure: no I/O. */
  compareParent(parent: Layer): ParentDifference[];
  /** The verified parent through which reads pass from now on. To be called once, before the first read, when there is a parent reference. */
  attachParent(parent: Disk): void;
  /**
   * Writes another parent's path and identity into the layer, durably and so that a crash leaves the old or the new.
   * Undefined: the layer stands alone from now on; its caller has seen to it that nothing of the parent is needed.
   */
  setParent(parent: { layer: Layer; relativePath: string } | undefined): Promise<void>;
  /**
   * To be called on a child before its parent is written in a merge: makes the child match the parent as it is and as it
   * will be (VHDX `parent_linkage2`). Nothing to do for formats whose parent identity does not change with writes.
   */
  expectParentChange(parent: Layer): Promise<void>;

  /** Points in time that the image itself has inside; absent for formats that know none. @throws ImageDamaged */
  snapshots?(): Promise<InnerSnapshot[]>;
  /**
   * What the guest saw when a snapshot inside was taken; to be closed before the layer is.
   * @param id of the snapshot, or else its name
   * @throws CheckpointNotFound, ImageDamaged
   */
  openSnapshot?(id: string): Promise<Disk>;

  check(options: LongCall & { repair: boolean }): Promise<Fault[]>;
  /** Gives space back: unused and all-zero blocks go, the file gets shorter where it can. @returns bytes freed */
  compact(call: LongCall): Promise<number>;
  /** @throws InvalidArgument when the tail to cut off holds data; UnsupportedDisk */
  resize(virtualSizeBytes: number, call: LongCall): Promise<void>;
}

/** How a layer is opened. */
export interface OpenLayer {
  /** Bounds on what is read from the file are checked before anything is allocated, whoever made it. */
  file: DiskFile;
  /** Extents and external data files that the image names, opened by the caller's rules; refused unless given. */
  openOther?: (path: string) => Promise<DiskFile>;
}

/** What a new layer is to be. */
export interface CreateLayer {
  /** An empty file. */
  file: DiskFile;
  /** For a disk that stands alone. */
  virtualSizeBytes?: number;
  /** For a differencing layer: takes size and sectors from the parent. */
  parent?: { layer: Layer; relativePath: string };
  /** All space allocated from the start (VHD, VHDX). */
  isFixed?: boolean;
  /** VHD and VHDX block size, qcow2 cluster size. */
  blockBytes?: number;
  /** VHDX only: 512 (default) or 4096. */
  logicalSectorBytes?: number;
  /** Name that the file will have, for a format that writes it into itself (VMDK); its present one by default. */
  fileName?: string;
}

/** What each format's folder exports. */
export interface FormatDriver {
  /** @throws ImageDamaged (with `field`), UnsupportedDisk; within a second and 256 MiB whatever the file holds */
  open(options: OpenLayer): Promise<Layer>;
  /** Makes an empty image, durably. @throws InvalidArgument, UnsupportedDisk */
  create(options: CreateLayer): Promise<void>;
}
