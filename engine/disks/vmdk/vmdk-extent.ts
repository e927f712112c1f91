import type { Extent, Fault, LongCall } from '../disk.ts';

/** Reads what lies below a layer, by the extent's own offsets. */
export type ReadBelow = (buffer: Buffer, offset: number) => Promise<void>;

/** One extent of a VMDK: a part of the disk in a file of its own. Offsets and lengths in bytes, from the extent's start. */
export interface VmdkExtent {
  readonly lengthBytes: number;
  /** Fills the buffer; ranges that the extent does not have come from `readBelow`. @throws ImageDamaged */
  read(buffer: Buffer, offset: number, readBelow: ReadBelow): Promise<void>;
  /** As {@link Disk.extents}. `fileOffset` counts in the extent's own file. */
  extents(offset: number, length: number, signal: AbortSignal | undefined): AsyncIterable<Extent>;
  /** As `Layer.check`. */
  check(call: LongCall & { repair: boolean }): Promise<Fault[]>;
  /** Closes the extent's file, unless that is the layer's own. */
  close(): Promise<void>;
}
