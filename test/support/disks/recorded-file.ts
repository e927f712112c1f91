import { MemoryFile, type FileOperation } from './memory-file.ts';

/** Sectors that a disk writes whole; a longer write may be cut off between any two. */
const sectorBytes = 512;

interface Recorded {
  path: string;
  operation: FileOperation;
}

/**
 * What was done to one or several files in memory, in order, and where between the operations the test made its marks.
 *
 *     const recording = new Recording();
 *     const file = recording.file('/memory/child.qcow2', image);
 *     … write through a layer on `file`; `recording.mark('flushed 1')` after each flush …
 *     for (const point of crashPoints(recording, { random, reorderings: 2 })) {
 *       … open `point.file(file.path)`: what was marked in `point.marks` has happened before the crash …
 *     }
 */
export class Recording {
  readonly operations: Recorded[] = [];
  readonly before = new Map<string, MemoryFile>();
  readonly marks: { position: number; mark: string }[] = [];

  /** Adds a file that begins with the content of `image` (empty without one), and records what is done to it from now on. */
  file(path: string, image?: MemoryFile): MemoryFile {
    const before = image?.copy(path, false) ?? new MemoryFile(path);
    this.before.set(path, before);
    return new RecordedFile(before.copy(), (operation) => this.operations.push({ path, operation }));
  }

  /** Notes that something has happened: a flush has returned, a step of a program begins. */
  mark(mark: string): void {
    this.marks.push({ position: this.operations.length, mark });
  }
}

class RecordedFile extends MemoryFile {
  readonly #onOperation: (operation: FileOperation) => void;

  constructor(image: MemoryFile, onOperation: (operation: FileOperation) => void) {
    super(image.path);
    this.#onOperation = onOperation;
    this.become(image);
  }

  protected override record(operation: FileOperation): void {
    this.#onOperation(operation);
  }
}

/** The files as a crash may have left them. */
export interface CrashPoint {
  /** Says where the crash was and what got lost; for the message of a failed assertion. */
  description: string;
  /** Operations that had been issued. */
  position: number;
  /** Marks that had been made. */
  marks: string[];
  /** A copy of one file, to be opened and changed at will; of the only file when no path is given. */
  file(path?: string): MemoryFile;
}

export interface CrashOptions {
  random: () => number;
  /** Random images for each point between two operations, besides the one in which nothing was lost. */
  reorderings: number;
  /** Looks at no more points than this, evenly spread, always with the last one. All by default. */
  points?: number;
}

/**
 * Every state that the files may be in after a crash: each prefix of the operations as it is, and `reorderings` times
 * with a random part of what was not yet synced lost, some writes torn between sectors. A sector never goes back behind
 * what was last synced, nor from a newer content to an older one.
 */
export function* crashPoints(recording: Recording, options: CrashOptions): Generator<CrashPoint> {
  const synced = new Map([...recording.before].map(([path, image]) => [path, image.copy()]));
  const cached = new Map([...recording.before].map(([path, image]) => [path, image.copy()]));
  const unsynced = new Map<string, FileOperation[]>([...recording.before.keys()].map((path) => [path, []]));
  const total = recording.operations.length;
  const stride = Math.max(1, Math.ceil((total + 1) / (options.points ?? Infinity)));

  for (let position = 0; position <= total; position++) {
    if ((total - position) % stride === 0) {
      const marks = recording.marks.filter((made) => made.position <= position).map((made) => made.mark);
      yield crashPoint(cached, { position, marks, description: `after ${position} of ${total} operations` });
      for (let round = 0; round < options.reorderings; round++) {
        const lost: string[] = [];
        const files = new Map(
          [...synced].map(([path, image]) => {
            const { file, losses } = losePart(image, unsynced.get(path) ?? [], options.random);
            lost.push(...losses.map((loss) => `${path}: ${loss}`));
            return [path, file];
          }),
        );
        const description = `after ${position} of ${total} operations, without ${lost.join('; ') || 'loss'}`;
        yield crashPoint(files, { position, marks, description });
      }
    }
    const next = recording.operations[position];
    if (next !== undefined) {
      cached.get(next.path)?.apply(next.operation);
      unsynced.get(next.path)?.push(next.operation);
      if (next.operation.kind === 'sync') {
        synced.set(next.path, cached.get(next.path)?.copy() ?? new MemoryFile(next.path));
        unsynced.set(next.path, []);
      }
    }
  }
}

function crashPoint(files: Map<string, MemoryFile>, facts: Omit<CrashPoint, 'file'>): CrashPoint {
  return {
    ...facts,
    file: (path) => {
      const file = path === undefined ? [...files.values()][0] : files.get(path);
      if (file === undefined) {
        throw new Error(`Nothing was recorded of ${path ?? 'any file'}`);
      }
      return file.copy();
    },
  };
}

function losePart(
  synced: MemoryFile,
  unsynced: readonly FileOperation[],
  random: () => number,
): { file: MemoryFile; losses: string[] } {
  const file = synced.copy();
  const losses: string[] = [];
  // Most often nearly all is there, or nearly nothing: both find faults that an even mix hides.
  const keep = [0.1, 0.5, 0.9][Math.floor(random() * 3)] ?? 0.5;
  for (const operation of unsynced) {
    const fate = random();
    if (operation.kind === 'sync' || fate < keep * 0.8) {
      file.apply(operation);
    } else if (operation.kind === 'write' && fate < keep && operation.content.length > sectorBytes) {
      losses.push(`part of ${nameOf(operation)}`);
      for (const piece of sectorsOf(operation)) {
        if (random() < 0.5) {
          file.apply(piece);
        }
      }
    } else {
      losses.push(nameOf(operation));
    }
  }
  return { file, losses: losses.length > 12 ? [...losses.slice(0, 12), `${losses.length - 12} more`] : losses };
}

function* sectorsOf(operation: { offset: number; content: Buffer }): Generator<FileOperation> {
  let done = 0;
  while (done < operation.content.length) {
    const offset = operation.offset + done;
    // Long writes are torn in coarser pieces as well, or the test would spend its time on copying sectors.
    const piece = Math.max(sectorBytes, Math.ceil(operation.content.length / 64 / sectorBytes) * sectorBytes);
    const length = Math.min(piece - (offset % piece), operation.content.length - done);
    yield { kind: 'write', offset, content: operation.content.subarray(done, done + length) };
    done += length;
  }
}

function nameOf(operation: FileOperation): string {
  switch (operation.kind) {
    case 'write':
      return `write ${operation.offset}+${operation.content.length}`;
    case 'truncate':
      return `truncate to ${operation.sizeBytes}`;
    case 'punchHole':
      return `punchHole ${operation.offset}+${operation.length}`;
    case 'sync':
      return 'sync';
  }
}
