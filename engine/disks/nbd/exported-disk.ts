import { ChainMap, type ChainExtent } from '../chain-map.ts';
import type { Disk } from '../disk.ts';
import { nbdLimits } from './limits.ts';
import {
  allocationState,
  blockStatusDescriptor,
  blockStatusDescriptorBytes,
  infoBlockSize,
  infoBlockSizeBytes,
  infoExport,
  infoExportBytes,
  infoType,
  transmissionFlag,
} from './protocol.ts';
import { writeStructure } from '../structure.ts';

/** The layers of a disk: the active one, through which all is read, then its parents down to the base. */
export type DiskChain = readonly [Disk, ...Disk[]];

/** What a server offers. */
export interface NbdExport {
  chain: DiskChain;
  isReadOnly: boolean;
  /** Besides the empty name, which always means this disk. */
  name: string;
  /** For people: `NBD_INFO_DESCRIPTION`. */
  description: string;
}

/** "Metadata contexts" that the server knows, each with the flags that it gives a range. */
export const metaContexts = {
  'base:allocation': ({ state }) => (state === 'data' ? 0 : allocationState.hole | allocationState.zero),
  // QEMU docs/interop/nbd.txt: which layer of the chain holds the range, 1 for the active one; 0 where none does.
  'qemu:allocation-depth': ({ depth, isBeyondParent }) =>
    depth === undefined || isBeyondParent === true ? 0 : depth + 1,
} as const satisfies Record<string, (extent: ChainExtent) => number>;

export type MetaContext = keyof typeof metaContexts;
export const metaContextNames: readonly MetaContext[] = ['base:allocation', 'qemu:allocation-depth'];

/** A metadata context's id on the wire. */
export function metaContextId(context: MetaContext): number {
  return metaContextNames.indexOf(context) + 1;
}

/** "Transmission flags" of the disk. */
export function transmissionFlags({ isReadOnly }: NbdExport, hasStructuredReplies: boolean): number {
  // All clients share the disk and all that it caches, so a flush through one connection covers the others.
  const always =
    transmissionFlag.hasFlags |
    transmissionFlag.sendFlush |
    transmissionFlag.sendFua |
    transmissionFlag.canMultiConn |
    transmissionFlag.sendCache;
  const writing = transmissionFlag.sendTrim | transmissionFlag.sendWriteZeroes | transmissionFlag.sendFastZero;
  return (
    always | (isReadOnly ? transmissionFlag.readOnly : writing) | (hasStructuredReplies ? transmissionFlag.sendDf : 0)
  );
}

/** `NBD_INFO_EXPORT`. */
export function exportInfo(disk: NbdExport, hasStructuredReplies: boolean): Buffer {
  const info = Buffer.alloc(infoExportBytes);
  writeStructure(info, infoExport, {
    type: infoType.export,
    size: BigInt(disk.chain[0].virtualSizeBytes),
    transmissionFlags: transmissionFlags(disk, hasStructuredReplies),
  });
  return info;
}

/** `NBD_INFO_BLOCK_SIZE`. */
export function blockSizeInfo(): Buffer {
  const info = Buffer.alloc(infoBlockSizeBytes);
  writeStructure(info, infoBlockSize, {
    type: infoType.blockSize,
    minimum: 1,
    preferred: 4096,
    maximumPayload: nbdLimits.payloadBytes,
  });
  return info;
}

/**
 * The descriptors of `NBD_REPLY_TYPE_BLOCK_STATUS` for each context, from `offset` on: at least one, and at most as many as
 * one reply may have.
 */
export async function describeBlocks(
  chain: DiskChain,
  contexts: readonly MetaContext[],
  range: { offset: number; length: number; isOne: boolean },
  signal: AbortSignal,
): Promise<Buffer[]> {
  const most = range.isOne ? 1 : nbdLimits.descriptors;
  const lists = contexts.map((context) => ({ flagsOf: metaContexts[context], runs: new Runs(most) }));
  for await (const part of new ChainMap(chain, signal).extents(range.offset, range.length)) {
    for (const { flagsOf, runs } of lists) {
      runs.add(part.length, flagsOf(part));
    }
    if (lists.every(({ runs }) => runs.isFull)) {
      break;
    }
  }
  return lists.map(({ runs }) => runs.descriptors());
}

/** Consecutive lengths with their flags; equal neighbours are one. */
class Runs {
  readonly #most: number;
  readonly #runs: { length: number; flags: number }[] = [];
  isFull = false;

  constructor(most: number) {
    this.#most = most;
  }

  add(length: number, flags: number): void {
    const last = this.#runs.at(-1);
    if (this.isFull) {
      return;
    }
    if (last?.flags === flags) {
      last.length += length;
    } else if (this.#runs.length === this.#most) {
      this.isFull = true;
    } else {
      this.#runs.push({ length, flags });
    }
  }

  descriptors(): Buffer {
    const buffer = Buffer.alloc(this.#runs.length * blockStatusDescriptorBytes);
    this.#runs.forEach(({ length, flags }, index) => {
      writeStructure(buffer, blockStatusDescriptor, { length, statusFlags: flags }, index * blockStatusDescriptorBytes);
    });
    return buffer;
  }
}
