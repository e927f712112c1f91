import { randomUUID } from 'node:crypto';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { writeField, writeStructure } from '../structure.ts';
import { isZero } from '../zero-content.ts';
import { structureChecksum } from './crc32c.ts';
import type { FileRange, Headers } from './headers.ts';
import { descriptorSectorsBytes } from './log-sequence.ts';
import {
  dataDescriptor,
  dataDescriptorSignature,
  dataSector,
  dataSectorSignature,
  descriptorBytes,
  logEntryHeader,
  logEntryHeaderBytes,
  logEntrySignature,
  logSectorBytes,
  zeroDescriptor,
  zeroDescriptorSignature,
  zeroGuid,
} from './structures.ts';
import type { SyncedFile } from './synced-file.ts';

/** A log sector of metadata as it is to become. */
export interface SectorUpdate {
  /** Bytes, a multiple of a log sector. */
  fileOffset: number;
  content: Buffer;
}

/** File sizes that an entry states, in bytes ([MS-VHDX] 2.3.1.1). */
export interface FileSizes {
  /** The file is durably at least this long. */
  flushedFileOffset: number;
  /** All that is allocated ends before this. */
  lastFileOffset: number;
}

/**
 * Writes log entries. Each entry stands alone (its Tail is itself): whoever writes one has made the changes of the one
 * before it durable in their place. Calls must not overlap.
 */
export class LogWriter {
  readonly #file: SyncedFile;
  readonly #headers: Headers;
  readonly #range: FileRange;
  readonly #logGuid = randomUUID();
  /** Where the next entry goes, in bytes from the start of the log; and the number of the last one. */
  #head = 0;
  #sequenceNumber = 0n;
  #isInUse = false;

  constructor(file: SyncedFile, headers: Headers, range: FileRange) {
    this.#file = file;
    this.#headers = headers;
    this.#range = range;
  }

  /** Most sectors of one entry. The entry before it must outlive it until it is durable, so it takes half of the log at most. */
  get mostSectors(): number {
    const half = Math.floor(this.#range.length / 2 / logSectorBytes);
    let count = Math.max(0, half - 1);
    while (count > 0 && descriptorSectorsBytes(count) / logSectorBytes + count > half) {
      count--;
    }
    return count;
  }

  /**
   * Makes updates durable in the log, all or none of them.
   * @param updates at most {@link mostSectors}; none for an entry that only states file sizes
   */
  async append(updates: readonly SectorUpdate[], sizes: FileSizes): Promise<void> {
    if (this.#range.length === 0) {
      throw new CheckpointError(
        'UnsupportedDisk',
        `The VHDX ${this.#file.path} has no room for a log, so it cannot be changed safely. Convert it, and change the copy.`,
        { path: this.#file.path, field: 'LogLength', found: 0 },
      );
    }
    const entry = encodeEntry(updates, {
      ...sizes,
      tail: this.#head,
      sequenceNumber: this.#sequenceNumber + 1n,
      logGuid: this.#logGuid,
    });
    const beforeEnd = Math.min(entry.length, this.#range.length - this.#head);
    await this.#file.write(entry.subarray(0, beforeEnd), this.#range.offset + this.#head);
    if (beforeEnd < entry.length) {
      await this.#file.write(entry.subarray(beforeEnd), this.#range.offset);
    }
    await this.#file.sync();
    this.#sequenceNumber += 1n;
    this.#head = (this.#head + entry.length) % this.#range.length;
    if (!this.#isInUse) {
      // Only now: a header that names a log without a valid entry makes the file unusable (2.3.3).
      await this.#headers.update({ LogGuid: this.#logGuid });
      this.#isInUse = true;
    }
  }

  /** Takes the log out of use, after all its changes are durable in their place. */
  async close(): Promise<void> {
    if (this.#isInUse) {
      await this.#headers.update({ LogGuid: zeroGuid });
      this.#isInUse = false;
    }
  }
}

interface EntryFacts extends FileSizes {
  tail: number;
  sequenceNumber: bigint;
  logGuid: string;
}

/** One log entry as it lies in the file ([MS-VHDX] 2.3.1). Sectors of zeros take a descriptor only. */
export function encodeEntry(updates: readonly SectorUpdate[], facts: EntryFacts): Buffer {
  const stored = updates.filter(({ content }) => !isZero(content));
  let sectorAt = descriptorSectorsBytes(updates.length);
  const entry = Buffer.alloc(sectorAt + stored.length * logSectorBytes);
  writeStructure(entry, logEntryHeader, {
    Signature: logEntrySignature,
    EntryLength: entry.length,
    Tail: facts.tail,
    SequenceNumber: facts.sequenceNumber,
    DescriptorCount: updates.length,
    LogGuid: facts.logGuid,
    FlushedFileOffset: BigInt(facts.flushedFileOffset),
    LastFileOffset: BigInt(facts.lastFileOffset),
  });
  const SequenceNumber = facts.sequenceNumber;
  updates.forEach(({ fileOffset, content }, index) => {
    const at = logEntryHeaderBytes + index * descriptorBytes;
    const FileOffset = BigInt(fileOffset);
    if (isZero(content)) {
      const zeros = { ZeroSignature: zeroDescriptorSignature, ZeroLength: BigInt(content.length) };
      writeStructure(entry, zeroDescriptor, { ...zeros, FileOffset, SequenceNumber }, at);
      return;
    }
    const removed = {
      LeadingBytes: content.subarray(0, dataSector.Data.offset),
      TrailingBytes: content.subarray(dataSector.SequenceLow.offset),
    };
    const data = { DataSignature: dataDescriptorSignature, ...removed, FileOffset, SequenceNumber };
    writeStructure(entry, dataDescriptor, data, at);
    content.copy(entry, sectorAt);
    writeField(entry, dataSector.DataSignature, dataSectorSignature, sectorAt);
    writeField(entry, dataSector.SequenceHigh, Number(SequenceNumber >> 32n), sectorAt);
    writeField(entry, dataSector.SequenceLow, Number(SequenceNumber & 0xffffffffn), sectorAt);
    sectorAt += logSectorBytes;
  });
  const checksum = structureChecksum(entry, logEntryHeader.Checksum.offset);
  writeField(entry, logEntryHeader.Checksum, checksum);
  return entry;
}
