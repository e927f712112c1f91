import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import { boundedNumber, damagedField } from '../structure.ts';
import { zeroBuffer } from '../zero-content.ts';
import type { FileRange } from './headers.ts';
import { activeSequence, updatesOf } from './log-sequence.ts';
import { logSectorBytes, mebibyte } from './structures.ts';
import type { SyncedFile } from './synced-file.ts';

/** Logs are 1 MiB long as a rule; a longer one than this is not replayed. */
const longestLogBytes = 32 * mebibyte;
/** Most that one log may change in all: more than the largest block allocation table. */
const mostReplayedBytes = 1024 * mebibyte;
/** The file that the log may ask for: what a disk of 64 TiB takes, and room to spare. */
const longestFileBytes = 2 ** 47;

/** What the log does to the file: the newest content of each sector; undefined stands for zeros. */
export interface Replay {
  /** By the sector's number in the file, ascending. */
  sectors: Map<number, Buffer | undefined>;
  /** The file has at least this size afterwards. */
  fileSizeBytes: number;
}

/**
 * Reads the log of a file that was not closed in order ([MS-VHDX] 2.3.3), and changes nothing.
 * @throws ImageDamaged without a valid sequence of entries, and for a file that has been cut off; UnsupportedDisk
 */
export async function readReplay(
  file: DiskFile,
  range: FileRange,
  logGuid: string,
  fileSizeBytes: number,
): Promise<Replay> {
  if (range.length > longestLogBytes) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The VHDX ${file.path} has a log of ${range.length} bytes to be replayed; at most ${longestLogBytes} can be.`,
      { path: file.path, field: 'LogLength', found: range.length },
    );
  }
  const log = Buffer.alloc(range.length);
  if ((await file.read(log, range.offset)) < log.length) {
    throw damagedField(file.path, 'LogLength', 'the log lies beyond the end of the file');
  }
  const sequence = activeSequence(log, range, logGuid);
  const head = sequence.at(-1);
  if (head === undefined) {
    throw damagedField(file.path, 'log', 'the header says that it is in use, but no complete entries are there');
  }
  if (BigInt(fileSizeBytes) < head.flushedFileOffset) {
    throw damagedField(
      file.path,
      'FlushedFileOffset',
      `the file is ${fileSizeBytes} bytes long and was ${head.flushedFileOffset}: its end is missing`,
    );
  }
  const replay: Replay = {
    sectors: new Map(),
    fileSizeBytes: Math.max(
      fileSizeBytes,
      boundedNumber(head.lastFileOffset, { max: longestFileBytes }, 'LastFileOffset', file.path),
    ),
  };
  let replayedBytes = 0;
  for (const entry of sequence) {
    for (const { fileOffset, length, content } of updatesOf(log, entry)) {
      const offset = boundedNumber(fileOffset, { max: longestFileBytes }, 'FileOffset of a log descriptor', file.path);
      const bytes = boundedNumber(length, { max: mostReplayedBytes }, 'ZeroLength', file.path);
      replayedBytes += bytes;
      if (replayedBytes > mostReplayedBytes) {
        throw damagedField(file.path, 'ZeroLength', `the log changes more than ${mostReplayedBytes} bytes`);
      }
      for (let at = offset; at < offset + bytes; at += logSectorBytes) {
        replay.sectors.set(at / logSectorBytes, content);
      }
      replay.fileSizeBytes = Math.max(replay.fileSizeBytes, offset + bytes);
    }
  }
  replay.sectors = new Map([...replay.sectors].sort(([one], [other]) => one - other));
  return replay;
}

/** Carries a replay out on the file, durably. Doing it twice does no harm. */
export async function applyReplay(file: SyncedFile, replay: Replay): Promise<void> {
  for (const run of runsOf(replay)) {
    for (let at = 0; at < run.length; at += zeroBuffer.length) {
      const length = Math.min(zeroBuffer.length, run.length - at);
      await file.write(
        run.sectors === undefined ? zeroBuffer.subarray(0, length) : gather(run.sectors, at, length),
        run.offset + at,
      );
    }
  }
  if (file.sizeBytes < replay.fileSizeBytes) {
    await file.truncate(replay.fileSizeBytes);
  }
  await file.sync();
}

interface Run {
  offset: number;
  length: number;
  /** Undefined: zeros. */
  sectors: Buffer[] | undefined;
}

function gather(sectors: Buffer[], at: number, length: number): Buffer {
  return Buffer.concat(sectors.slice(at / logSectorBytes, (at + length) / logSectorBytes));
}

/** Neighbouring sectors, so that they are written at once. */
function* runsOf(replay: Replay): Generator<Run> {
  let run: Run | undefined;
  for (const [sector, content] of replay.sectors) {
    const offset = sector * logSectorBytes;
    if (
      run === undefined ||
      run.offset + run.length !== offset ||
      (run.sectors === undefined) !== (content === undefined)
    ) {
      if (run !== undefined) {
        yield run;
      }
      run = { offset, length: 0, sectors: content === undefined ? undefined : [] };
    }
    run.length += logSectorBytes;
    if (content !== undefined) {
      run.sectors?.push(content);
    }
  }
  if (run !== undefined) {
    yield run;
  }
}

/** A file that reads as if its log had been replayed; for files that are open for reading ([MS-VHDX] 2.3.3, note 5). */
export class ReplayedFile implements DiskFile {
  readonly path: string;
  readonly isReadOnly = true;
  readonly #file: DiskFile;
  readonly #replay: Replay;
  readonly #sectorNumbers: Float64Array;

  constructor(file: DiskFile, replay: Replay) {
    this.path = file.path;
    this.#file = file;
    this.#replay = replay;
    this.#sectorNumbers = Float64Array.from(replay.sectors.keys());
  }

  async size(): Promise<number> {
    return this.#replay.fileSizeBytes;
  }

  async read(buffer: Buffer, offset: number): Promise<number> {
    const length = Math.max(0, Math.min(buffer.length, this.#replay.fileSizeBytes - offset));
    const bytes = await this.#file.read(length === buffer.length ? buffer : buffer.subarray(0, length), offset);
    buffer.fill(0, bytes, length);
    const end = offset + length;
    const first = Math.floor(offset / logSectorBytes);
    for (let index = this.#firstFrom(first); index < this.#sectorNumbers.length; index++) {
      const sector = this.#sectorNumbers[index] ?? Infinity;
      const at = sector * logSectorBytes;
      if (at >= end) {
        break;
      }
      const from = Math.max(at, offset);
      const to = Math.min(at + logSectorBytes, end);
      const content = this.#replay.sectors.get(sector);
      if (content === undefined) {
        buffer.fill(0, from - offset, to - offset);
      } else {
        content.copy(buffer, from - offset, from - at, to - at);
      }
    }
    return length;
  }

  write(): Promise<void> {
    throw this.#refusal();
  }

  truncate(): Promise<void> {
    throw this.#refusal();
  }

  punchHole(): Promise<boolean> {
    throw this.#refusal();
  }

  async sync(): Promise<void> {
    // Nothing was written.
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** The index of the first changed sector that is not before the given one. */
  #firstFrom(sector: number): number {
    let low = 0;
    let high = this.#sectorNumbers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sectorNumbers[middle] ?? Infinity) < sector) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  #refusal(): CheckpointError {
    return new CheckpointError('PermissionDenied', `The disk ${this.path} is open for reading only.`, {
      path: this.path,
    });
  }
}
