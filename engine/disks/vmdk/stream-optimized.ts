import path from 'node:path';
import { deflate } from 'node:zlib';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import { writeStructure } from '../structure.ts';
import { isZero } from '../zero-content.ts';
import {
  descriptorBlock,
  descriptorSectors,
  requireCapacity,
  usualEntriesPerTable,
  usualGrainSize,
} from './create-sparse.ts';
import { descriptorText } from './descriptor-text.ts';
import {
  compressionDeflate,
  endLineChars,
  entryBytes,
  gdAtEnd,
  grainMarkerBytes,
  marker,
  markerType,
  sectorBytes,
  sparseExtentHeader,
  sparseFlag,
  sparseMagic,
} from './structures.ts';

const grainBytes = usualGrainSize * sectorBytes;
const tableBytes = usualEntriesPerTable * entryBytes;
/** The first grain's place. */
const overHead = usualGrainSize;
/** Grains that are compressed at once. */
const compressingAtOnce = 8;
const writeBytes = 1 << 20;
/** A directory entry and a grain table entry have 32 bits. */
const lastSector = 2 ** 32;

/** Writes a disk once, from its beginning to its end. Offsets in bytes. */
export interface SequentialWriter {
  /**
   * The next content, at an offset not before the end of the last. What is passed over is zero. The buffer is the
   * caller's again once this resolves.
   * @throws InvalidArgument out of order or beyond the end; UnsupportedDisk when the file would pass 2 TiB
   */
  append(offset: number, buffer: Buffer): Promise<void>;
  /** Writes what is left, the tables and the footer, durably. The file stays its caller's to close. */
  finish(): Promise<void>;
}

/**
 * Begins a streamOptimized image ("Stream-Optimized Compressed Sparse Extents"): every grain compressed, the directory
 * and its footer at the end.
 * @param file empty
 * @param fileName the name that the file will have, if that is not its present one
 */
export async function createStreamOptimized(
  file: DiskFile,
  virtualSizeBytes: number,
  fileName: string = path.basename(file.path),
): Promise<SequentialWriter> {
  const capacity = requireCapacity(file, virtualSizeBytes);
  const writer = new StreamWriter(file, capacity);
  await writer.begin(descriptorText('streamOptimized', capacity, fileName));
  return writer;
}

interface CompressedPart {
  grain: number;
  data: Promise<Buffer>;
}

class StreamWriter implements SequentialWriter {
  readonly #file: DiskFile;
  readonly #capacity: number;
  readonly #directory: Buffer;
  /** The table that is being filled, and which one it is. */
  readonly #table = Buffer.alloc(tableBytes);
  #tableIndex = 0;
  /** The grain that is being filled, and how far the content goes. */
  readonly #grain = Buffer.alloc(grainBytes);
  #end = 0;
  #isGrainTouched = false;
  readonly #compressing: CompressedPart[] = [];
  /** What is to be written next, and the sector that it begins at. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #sector = 0;

  constructor(file: DiskFile, capacity: number) {
    this.#file = file;
    this.#capacity = capacity;
    const tableCount = Math.ceil(capacity / (usualGrainSize * usualEntriesPerTable));
    this.#directory = Buffer.alloc(Math.ceil((tableCount * entryBytes) / sectorBytes) * sectorBytes);
  }

  async begin(descriptor: string): Promise<void> {
    await this.#put(this.#header(gdAtEnd));
    await this.#put(descriptorBlock(descriptor));
    await this.#put(Buffer.alloc((overHead - 1 - descriptorSectors) * sectorBytes));
  }

  async append(offset: number, buffer: Buffer): Promise<void> {
    if (offset < this.#end || offset + buffer.length > this.#capacity * sectorBytes) {
      throw new CheckpointError(
        'InvalidArgument',
        `A stream is written in order: byte ${offset} does not follow byte ${this.#end} within ${this.#capacity} sectors.`,
        { path: this.#file.path, offset },
      );
    }
    await this.#passTo(offset);
    for (let at = 0; at < buffer.length;) {
      const within = this.#end % grainBytes;
      const taken = Math.min(grainBytes - within, buffer.length - at);
      buffer.copy(this.#grain, within, at, at + taken);
      this.#isGrainTouched = true;
      this.#end += taken;
      at += taken;
      if (this.#end % grainBytes === 0) {
        await this.#endGrain();
      }
    }
  }

  async finish(): Promise<void> {
    await this.#passTo(this.#capacity * sectorBytes);
    await this.#endGrain();
    while (this.#compressing.length > 0) {
      await this.#storeNext();
    }
    await this.#storeTable();
    await this.#putMarker(markerType.grainDirectory, this.#directory.length / sectorBytes);
    const directorySector = this.#sector + this.#pendingBytes / sectorBytes;
    await this.#put(this.#directory);
    await this.#putMarker(markerType.footer, 1);
    await this.#put(this.#header(BigInt(directorySector)));
    await this.#putMarker(markerType.endOfStream, 0);
    await this.#writePending();
    await this.#file.sync();
  }

  /** Moves the end on; what lies between is zero. */
  async #passTo(offset: number): Promise<void> {
    const grainEnd = this.#end - (this.#end % grainBytes) + grainBytes;
    if (offset >= grainEnd) {
      await this.#endGrain();
    }
    this.#end = offset;
  }

  /** Hands the grain that was filled to the compressor, unless it is all zero. */
  async #endGrain(): Promise<void> {
    if (!this.#isGrainTouched) {
      return;
    }
    this.#isGrainTouched = false;
    if (isZero(this.#grain)) {
      return;
    }
    const grain = Math.floor((this.#end - 1) / grainBytes);
    const length = Math.min(grainBytes, this.#capacity * sectorBytes - grain * grainBytes);
    const data = deflated(Buffer.from(this.#grain.subarray(0, length)));
    // Its error is seen when it is its turn to be stored.
    data.catch(() => undefined);
    this.#compressing.push({ grain, data });
    this.#grain.fill(0);
    if (this.#compressing.length === compressingAtOnce) {
      await this.#storeNext();
    }
  }

  async #storeNext(): Promise<void> {
    const next = this.#compressing.shift();
    if (next === undefined) {
      return;
    }
    const data = await next.data;
    const tableIndex = Math.floor(next.grain / usualEntriesPerTable);
    if (tableIndex !== this.#tableIndex) {
      await this.#storeTable();
      this.#tableIndex = tableIndex;
    }
    this.#table.writeUInt32LE(this.#nextSector(), (next.grain % usualEntriesPerTable) * entryBytes);
    const block = Buffer.alloc(Math.ceil((grainMarkerBytes + data.length) / sectorBytes) * sectorBytes);
    writeStructure(block, marker, { value: BigInt(next.grain * usualGrainSize), size: data.length });
    data.copy(block, grainMarkerBytes);
    await this.#put(block);
  }

  /** Writes the table that was filled, unless there is nothing in it. */
  async #storeTable(): Promise<void> {
    if (isZero(this.#table)) {
      return;
    }
    await this.#putMarker(markerType.grainTable, tableBytes / sectorBytes);
    this.#directory.writeUInt32LE(this.#nextSector(), this.#tableIndex * entryBytes);
    await this.#put(Buffer.from(this.#table));
    this.#table.fill(0);
  }

  #nextSector(): number {
    const sector = this.#sector + this.#pendingBytes / sectorBytes;
    if (sector >= lastSector) {
      throw new CheckpointError(
        'UnsupportedDisk',
        `The disk ${this.#file.path} takes more than 2 TiB compressed, which a VMDK cannot hold. Choose another format.`,
        { path: this.#file.path },
      );
    }
    return sector;
  }

  async #putMarker(type: number, sectors: number): Promise<void> {
    const block = Buffer.alloc(sectorBytes);
    writeStructure(block, marker, { value: BigInt(sectors), size: 0, type });
    await this.#put(block);
  }

  /** Takes whole sectors to be written in a large piece. */
  async #put(block: Buffer): Promise<void> {
    this.#pending.push(block);
    this.#pendingBytes += block.length;
    if (this.#pendingBytes >= writeBytes) {
      await this.#writePending();
    }
  }

  async #writePending(): Promise<void> {
    const piece = Buffer.concat(this.#pending);
    const offset = this.#sector * sectorBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#sector += piece.length / sectorBytes;
    await this.#file.write(piece, offset);
  }

  #header(gdOffset: bigint): Buffer {
    const header = Buffer.alloc(sectorBytes);
    writeStructure(header, sparseExtentHeader, {
      magicNumber: sparseMagic,
      version: 3,
      flags: sparseFlag.validNewLineTest | sparseFlag.compressed | sparseFlag.markers,
      capacity: BigInt(this.#capacity),
      grainSize: BigInt(usualGrainSize),
      descriptorOffset: 1n,
      descriptorSize: BigInt(descriptorSectors),
      numGTEsPerGT: usualEntriesPerTable,
      rgdOffset: 0n,
      gdOffset,
      overHead: BigInt(overHead),
      uncleanShutdown: 0,
      endLineChars,
      compressAlgorithm: compressionDeflate,
    });
    return header;
  }
}

function deflated(content: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    deflate(content, (error, data) => {
      if (error === null) {
        resolve(data);
      } else {
        reject(error);
      }
    });
  });
}
