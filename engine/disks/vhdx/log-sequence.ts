import { readField, readStructure } from '../structure.ts';
import { crc32c, structureChecksum } from './crc32c.ts';
import type { FileRange } from './headers.ts';
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
  regionTableOffsets,
  zeroDescriptor,
  zeroDescriptorSignature,
} from './structures.ts';

/** One valid entry of the log. */
export interface LogEntry {
  /** Bytes from the start of the log. */
  offset: number;
  length: number;
  tail: number;
  sequenceNumber: bigint;
  flushedFileOffset: bigint;
  lastFileOffset: bigint;
  descriptorCount: number;
}

/** A change of the file: `content`, or zeros, from an offset on. Bytes. */
export interface LogUpdate {
  fileOffset: bigint;
  length: bigint;
  content?: Buffer;
}

/**
 * Finds the newest complete sequence of entries ([MS-VHDX] 2.3.3).
 * @param log the whole log region
 * @param range where it lies in the file
 * @returns from the tail entry to the head entry; empty when there is no valid sequence
 */
export function activeSequence(log: Buffer, range: FileRange, logGuid: string): LogEntry[] {
  const entries = validEntries(log, range, logGuid);
  const chains = chainsOf(entries, log.length);
  let active: LogEntry[] = [];
  for (const chain of chains) {
    const head = chain.at(-1);
    const newest = active.at(-1);
    const tailIndex = chain.findIndex((entry) => entry.offset === head?.tail);
    if (head !== undefined && tailIndex >= 0 && (newest === undefined || head.sequenceNumber > newest.sequenceNumber)) {
      active = chain.slice(tailIndex);
    }
  }
  return active;
}

/** Entries by their offset. Two valid ones never overlap: each sector has the signature of one kind only. */
function validEntries(log: Buffer, range: FileRange, logGuid: string): Map<number, LogEntry> {
  const entries = new Map<number, LogEntry>();
  for (let offset = 0; offset < log.length; offset += logSectorBytes) {
    if (
      readField(log, logEntryHeader.Signature, offset) === logEntrySignature &&
      readField(log, logEntryHeader.LogGuid, offset) === logGuid
    ) {
      const entry = parseEntry(log, offset, range);
      if (entry !== undefined) {
        entries.set(offset, entry);
      }
    }
  }
  return entries;
}

/** Longest runs of entries that follow one another in place and in number. */
function chainsOf(entries: Map<number, LogEntry>, logLength: number): LogEntry[][] {
  const next = (entry: LogEntry): LogEntry | undefined => {
    const following = entries.get((entry.offset + entry.length) % logLength);
    return following?.sequenceNumber === entry.sequenceNumber + 1n ? following : undefined;
  };
  const followers = new Set<LogEntry>();
  for (const entry of entries.values()) {
    const following = next(entry);
    if (following !== undefined) {
      followers.add(following);
    }
  }
  return [...entries.values()]
    .filter((entry) => !followers.has(entry))
    .map((first) => {
      const chain = [first];
      for (let entry = next(first); entry !== undefined; entry = next(entry)) {
        chain.push(entry);
      }
      return chain;
    });
}

function parseEntry(log: Buffer, offset: number, range: FileRange): LogEntry | undefined {
  const header = readStructure(log, logEntryHeader, offset);
  const { EntryLength: length, DescriptorCount: descriptorCount, Tail: tail, SequenceNumber: sequenceNumber } = header;
  const entry: LogEntry = {
    offset,
    length,
    tail,
    sequenceNumber,
    descriptorCount,
    flushedFileOffset: header.FlushedFileOffset,
    lastFileOffset: header.LastFileOffset,
  };
  const isPlausible =
    length >= logSectorBytes &&
    length <= log.length &&
    length % logSectorBytes === 0 &&
    tail < log.length &&
    tail % logSectorBytes === 0 &&
    sequenceNumber > 0n &&
    logEntryHeaderBytes + descriptorCount * descriptorBytes <= length;
  // The checksum comes last: whoever wrote a log of headers alone would have each of them sum up the whole log.
  return isPlausible && hasValidUpdates(log, entry, range) && header.Checksum === entryChecksum(log, entry)
    ? entry
    : undefined;
}

function entryChecksum(log: Buffer, { offset, length }: LogEntry): number {
  const first = log.subarray(offset, Math.min(offset + length, log.length));
  const checksum = structureChecksum(first, logEntryHeader.Checksum.offset);
  return crc32c(log.subarray(0, length - first.length), checksum);
}

function hasValidUpdates(log: Buffer, entry: LogEntry, range: FileRange): boolean {
  let bytes = descriptorSectorsBytes(entry.descriptorCount);
  for (const { at, sector, isZero, fileOffset, length } of descriptorsOf(log, entry)) {
    const hasSequenceNumber = readField(log, dataDescriptor.SequenceNumber, at) === entry.sequenceNumber;
    const isData = readField(log, dataDescriptor.DataSignature, at) === dataDescriptorSignature;
    if (!hasSequenceNumber || !(isZero || isData) || !mayBeLogged(fileOffset, length, range)) {
      return false;
    }
    if (!isZero) {
      bytes += logSectorBytes;
      if (bytes > entry.length || !isDataSector(log, sector, entry.sequenceNumber)) {
        return false;
      }
    }
  }
  return bytes === entry.length;
}

interface Descriptor {
  /** Where it lies, and its data sector if it has one: bytes from the start of the log. */
  at: number;
  sector: number;
  isZero: boolean;
  fileOffset: bigint;
  length: bigint;
}

/** An entry may wrap around the end of the log, a descriptor or a sector of it never does. */
function* descriptorsOf(log: Buffer, entry: LogEntry): Generator<Descriptor> {
  let sector = entry.offset + descriptorSectorsBytes(entry.descriptorCount);
  for (let index = 0; index < entry.descriptorCount; index++) {
    const at = (entry.offset + logEntryHeaderBytes + index * descriptorBytes) % log.length;
    const isZero = readField(log, zeroDescriptor.ZeroSignature, at) === zeroDescriptorSignature;
    const length = isZero ? readField(log, zeroDescriptor.ZeroLength, at) : BigInt(logSectorBytes);
    const fileOffset = readField(log, dataDescriptor.FileOffset, at);
    yield { at, sector: sector % log.length, isZero, fileOffset, length };
    sector += isZero ? 0 : logSectorBytes;
  }
}

/** What an entry does, in order; it shares the log's memory. */
export function* updatesOf(log: Buffer, entry: LogEntry): Generator<LogUpdate> {
  for (const { at, sector, isZero, fileOffset, length } of descriptorsOf(log, entry)) {
    if (isZero) {
      yield { fileOffset, length };
    } else {
      const content = Buffer.from(log.subarray(sector, sector + logSectorBytes));
      readField(log, dataDescriptor.LeadingBytes, at).copy(content, 0);
      readField(log, dataDescriptor.TrailingBytes, at).copy(content, dataSector.SequenceLow.offset);
      yield { fileOffset, length, content };
    }
  }
}

/** Bytes of an entry's header and descriptors, in whole sectors. */
export function descriptorSectorsBytes(descriptorCount: number): number {
  return Math.ceil((logEntryHeaderBytes + descriptorCount * descriptorBytes) / logSectorBytes) * logSectorBytes;
}

/** Headers are never logged (2.3), nor is the log itself. */
function mayBeLogged(fileOffset: bigint, length: bigint, log: FileRange): boolean {
  const sector = BigInt(logSectorBytes);
  const end = fileOffset + length;
  return (
    fileOffset % sector === 0n &&
    length % sector === 0n &&
    fileOffset >= BigInt(regionTableOffsets[0]) &&
    (end <= BigInt(log.offset) || fileOffset >= BigInt(log.offset + log.length))
  );
}

function isDataSector(log: Buffer, at: number, sequenceNumber: bigint): boolean {
  return (
    readField(log, dataSector.DataSignature, at) === dataSectorSignature &&
    readField(log, dataSector.SequenceHigh, at) === Number(sequenceNumber >> 32n) &&
    readField(log, dataSector.SequenceLow, at) === Number(sequenceNumber & 0xffffffffn)
  );
}
