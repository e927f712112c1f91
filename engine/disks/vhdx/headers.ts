import { randomUUID } from 'node:crypto';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { PiecesRead } from '../pieces-read.ts';
import {
  boundedNumber,
  damagedField,
  readField,
  readStructure,
  writeStructure,
  type StructureValues,
} from '../structure.ts';
import { structureChecksum } from './crc32c.ts';
import {
  alignmentBytes,
  header,
  headerBytes,
  headerOffsets,
  headerSectionBytes,
  headerSignature,
  zeroGuid,
} from './structures.ts';
import type { SyncedFile } from './synced-file.ts';

type HeaderValues = StructureValues<typeof header>;
/** Which of the two places in the file. */
type HeaderSlot = 0 | 1;

/** A part of the file, in bytes. */
export interface FileRange {
  offset: number;
  length: number;
}

/** The headers of a file as they were found. */
export interface FoundHeaders {
  values: HeaderValues;
  currentSlot: HeaderSlot;
  /** Slots whose signature or checksum is wrong. */
  damagedSlots: HeaderSlot[];
  log: FileRange;
}

/**
 * Reads both headers and chooses the current one ([MS-VHDX] 2.2.2).
 * @throws ImageDamaged without a current header, or when the log does not lie in the file; UnsupportedDisk
 */
export async function readHeaders(file: PiecesRead, fileSizeBytes: number): Promise<FoundHeaders> {
  const [first, second] = await Promise.all([readSlot(file, 0), readSlot(file, 1)]);
  const damagedSlots: HeaderSlot[] = [];
  if (first === undefined) {
    damagedSlots.push(0);
  }
  if (second === undefined) {
    damagedSlots.push(1);
  }
  const currentSlot = currentOf(first, second, file.path);
  const current = currentSlot === 0 ? first : second;
  if (current === undefined) {
    throw damagedField(file.path, 'header', 'neither of its two copies has the right signature and checksum');
  }
  const values = readStructure(current, header);
  if (values.Version !== 1) {
    throw unsupported(file.path, 'Version', values.Version, 1);
  }
  if (values.LogGuid !== zeroGuid && values.LogVersion !== 0) {
    throw unsupported(file.path, 'LogVersion', values.LogVersion, 0);
  }
  return { values, currentSlot, damagedSlots, log: logRange(values, fileSizeBytes, file.path) };
}

async function readSlot(file: PiecesRead, slot: HeaderSlot): Promise<Buffer | undefined> {
  const buffer = await file.bytes(headerOffsets[slot], headerBytes);
  const isValid =
    buffer.length === headerBytes &&
    readField(buffer, header.Signature) === headerSignature &&
    readField(buffer, header.Checksum) === structureChecksum(buffer, header.Checksum.offset);
  return isValid ? buffer : undefined;
}

function currentOf(first: Buffer | undefined, second: Buffer | undefined, path: string): HeaderSlot {
  if (first === undefined || second === undefined) {
    return first === undefined ? 1 : 0;
  }
  const [one, two] = [readField(first, header.SequenceNumber), readField(second, header.SequenceNumber)];
  // disk2vhd writes the same header twice: then either will do.
  if (one === two && !first.equals(second)) {
    throw damagedField(path, 'SequenceNumber', `both headers have ${one}, but they differ: neither is current`);
  }
  return two > one ? 1 : 0;
}

function logRange(values: HeaderValues, fileSizeBytes: number, path: string): FileRange {
  const length = values.LogLength;
  if (length === 0) {
    if (values.LogGuid !== zeroGuid) {
      throw damagedField(path, 'LogLength', 'it is 0, but LogGuid says that there is a log');
    }
    return { offset: 0, length: 0 };
  }
  const bounds = { min: headerSectionBytes, max: fileSizeBytes - length };
  const offset = boundedNumber(values.LogOffset, bounds, 'LogOffset', path);
  if (offset % alignmentBytes !== 0 || length % alignmentBytes !== 0) {
    throw damagedField(path, 'LogOffset', 'it or LogLength is not a multiple of 1 MiB');
  }
  return { offset, length };
}

function unsupported(path: string, field: string, found: number, expected: number): CheckpointError {
  return new CheckpointError(
    'UnsupportedDisk',
    `The VHDX ${path} has ${field} ${found}; only ${expected} is known. Convert it with the program that made it.`,
    { path, field, expected, found },
  );
}

/** One header as it lies in the file. */
export function encodeHeader(values: Omit<HeaderValues, 'Signature' | 'Checksum'>): Buffer {
  const buffer = Buffer.alloc(headerBytes);
  writeStructure(buffer, header, { ...values, Signature: headerSignature });
  writeStructure(buffer, header, { Checksum: structureChecksum(buffer, header.Checksum.offset) });
  return buffer;
}

/** The headers of a file that is open for writing: each change goes to the one that is not current (2.2.2.1). */
export class Headers {
  readonly #file: SyncedFile;
  #values: HeaderValues;
  #currentSlot: HeaderSlot;
  #hasFileWriteGuid = false;

  constructor(file: SyncedFile, found: FoundHeaders) {
    this.#file = file;
    this.#values = found.values;
    this.#currentSlot = found.currentSlot;
  }

  get values(): Readonly<HeaderValues> {
    return this.#values;
  }

  /**
   * Writes the changes durably; the first call gives the file a new FileWriteGuid. Calls must not overlap.
   * @returns once one of the two headers is durable; the other one has been written too
   */
  async update(changes: Partial<Pick<HeaderValues, 'DataWriteGuid' | 'LogGuid'>>): Promise<void> {
    // The header that is about to be overwritten may be the only durable one.
    await this.#file.syncIfDirty();
    const values = { ...this.#values, ...changes };
    if (!this.#hasFileWriteGuid) {
      values.FileWriteGuid = randomUUID();
    }
    await this.#writeNext(values);
    await this.#file.sync();
    this.#hasFileWriteGuid = true;
    await this.#writeNext(values);
  }

  async #writeNext(values: HeaderValues): Promise<void> {
    const next = { ...values, SequenceNumber: (this.#values.SequenceNumber + 1n) & 0xffffffffffffffffn };
    const slot = this.#currentSlot === 0 ? 1 : 0;
    await this.#file.write(encodeHeader(next), headerOffsets[slot]);
    this.#values = next;
    this.#currentSlot = slot;
  }
}
