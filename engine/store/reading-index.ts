import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from './atomic-file.ts';
import {
  areInnerUnchanged,
  isOuterUnchanged,
  settledStamps,
  type InnerStamps,
  type RecordStamps,
  type WatchedNames,
} from './file-stamps.ts';

/** 10,000 machines of 50 checkpoints make 180 MB. */
const largestIndexBytes = 256 * 1024 * 1024;

/** A clock of a file server that is further away would make `settlingMs` too short. */
const largestClockDifferenceMs = 1000;

/** A writer that takes longer has died. */
const abandonedAfterMs = 60_000;

const lineEnd = 0x0a;
const newLine = Buffer.from([lineEnd]);

const header = z.strictObject({ format: z.string(), sha256: z.string() });
const headLine = z.strictObject({ key: z.string(), outer: z.array(z.number()), head: z.unknown() });
const innerLine = z.strictObject({ names: z.array(z.string()), digest: z.string() });

/** What was made of a folder's records. */
export interface Reading<T> {
  /** The little that is needed at once. */
  head: T;
  /** All the rest, as JSON text: it may go to whoever asks without being taken apart. */
  body: Uint8Array;
}

interface Entry<T> extends Reading<T> {
  outer: readonly number[];
  /** As in the file. */
  inner: Uint8Array;
}

/** How what is remembered is told from anything else. */
export interface IndexedShape<T> {
  /** To be raised whenever the shape changes. */
  format: string;
  /** Needs to look no deeper than to tell the format: the file is whole by its digest, and nobody else's. */
  isHead: (json: unknown) => json is T;
}

/**
 * Remembers what was made of the records of many folders, so that a cold start looks at files instead of reading them. It
 * only ever saves time:
 *
 * - What it remembers counts while inode, size and both times of each file and folder are what they were before it was
 *   read. The time of the inode cannot be set back, so an edit in place shows. What was changed only just now is not
 *   remembered: a second change in the same tick of the clock would not show.
 * - {@link known} looks at the folders and at the few files in the folder itself, and no deeper. All our own writers
 *   replace a record by rename, and that shows in the stamps of its folder, whichever engine did it. What does not show
 *   there is a record that somebody edited in place: for that, {@link isUnchanged} looks at each. Whoever answers before
 *   that owes a correction.
 * - Its file is believed when it is this user's alone, of this format, and whole by its digest; else there is none.
 * - It is replaced atomically and not made durable. Of several engines the last one wins; nobody waits for it.
 * - No operation decides by it: whoever changes a machine reads the records themselves.
 */
export class ReadingIndex<T> {
  readonly #file: string;
  readonly #shape: IndexedShape<T>;
  readonly #watched: WatchedNames;
  #loaded: Map<string, Entry<T>> | undefined;
  #hasNews = false;

  constructor(file: string, shape: IndexedShape<T>, watched: WatchedNames) {
    this.#file = file;
    this.#shape = shape;
    this.#watched = watched;
  }

  get #entries(): Map<string, Entry<T>> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  /** @returns what the folder said when it was read, unless a record came, went or was replaced since */
  known(folder: string): Reading<T> | undefined {
    const entry = this.#entries.get(path.basename(folder));
    return entry !== undefined && isOuterUnchanged(folder, this.#watched, entry.outer) ? entry : undefined;
  }

  /** Looks at each record of a folder that {@link known} knows; what one of them was edited of in place is forgotten. */
  isUnchanged(folder: string): boolean {
    const key = path.basename(folder);
    const entry = this.#entries.get(key);
    const inner = entry === undefined ? undefined : parsedInner(entry.inner);
    if (inner !== undefined && areInnerUnchanged(folder, inner)) {
      return true;
    }
    this.#hasNews = this.#entries.delete(key) || this.#hasNews;
    return false;
  }

  /** To be asked before the folder is read. @returns undefined when what it says now cannot be remembered */
  stampsOf(folder: string): RecordStamps | undefined {
    return settledStamps(folder, this.#watched);
  }

  /** @param stamps undefined: what was remembered is forgotten */
  remember(folder: string, stamps: RecordStamps | undefined, { head, body }: Reading<T>): void {
    const key = path.basename(folder);
    if (stamps === undefined) {
      this.#entries.delete(key);
      return;
    }
    this.#entries.set(key, { head, body, outer: stamps.outer, inner: Buffer.from(JSON.stringify(stamps.inner)) });
    this.#hasNews = true;
  }

  /** Writes what is new, of these folders. A home that cannot be written to does without. */
  async save(folders: readonly string[]): Promise<void> {
    if (!this.#hasNews) {
      return;
    }
    this.#hasNews = false;
    const body = Buffer.concat(
      folders.flatMap((folder) => {
        const key = path.basename(folder);
        const entry = this.#entries.get(key);
        if (entry === undefined) {
          return [];
        }
        const head = Buffer.from(JSON.stringify({ key, outer: entry.outer, head: entry.head }));
        return [head, newLine, entry.body, newLine, entry.inner, newLine];
      }),
    );
    try {
      await mkdir(path.dirname(this.#file), { recursive: true, mode: 0o700 });
      await this.#sweep();
      await writeFileAtomically(
        this.#file,
        Buffer.concat([Buffer.from(`${JSON.stringify({ format: this.#shape.format, sha256: sha256(body) })}\n`), body]),
        'in passing',
      );
      // Stamps mean nothing where the file system's clock is not ours.
      if (Math.abs((await stat(this.#file)).mtimeMs - Date.now()) > largestClockDifferenceMs) {
        await rm(this.#file, { force: true });
      }
    } catch {
      // It was only to save time.
    }
  }

  /** What writers left that died. */
  async #sweep(): Promise<void> {
    const folder = path.dirname(this.#file);
    for (const name of await readdir(folder)) {
      const file = path.join(folder, name);
      if (name.endsWith('.new') && (await stat(file)).mtimeMs < Date.now() - abandonedAfterMs) {
        await rm(file, { force: true });
      }
    }
  }

  #load(): Map<string, Entry<T>> {
    const entries = new Map<string, Entry<T>>();
    try {
      const content = readOwnFile(this.#file);
      const end = content.indexOf('\n');
      const { format, sha256: expected } = header.parse(JSON.parse(content.toString('utf8', 0, end)));
      const body = content.subarray(end + 1);
      if (format !== this.#shape.format || sha256(body) !== expected) {
        return entries;
      }
      let at = 0;
      const line = (): Buffer => {
        const start = at;
        at = body.indexOf(lineEnd, start) + 1;
        return body.subarray(start, at - 1);
      };
      while (at < body.length) {
        const { key, outer, head } = headLine.parse(JSON.parse(line().toString()));
        const [text, inner] = [line(), line()];
        if (this.#shape.isHead(head)) {
          entries.set(key, { outer, head, body: text, inner });
        }
      }
    } catch {
      // None, or none that can be believed.
      entries.clear();
    }
    return entries;
  }
}

function parsedInner(text: Uint8Array): InnerStamps | undefined {
  const parsed = innerLine.safeParse(JSON.parse(Buffer.from(text).toString()));
  return parsed.success ? parsed.data : undefined;
}

function sha256(body: Buffer): string {
  return createHash('sha256').update(body).digest('base64');
}

/** @throws when it is not there, too long, or somebody else's or writable for others */
function readOwnFile(file: string): Buffer {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(descriptor);
    const isOwn = process.platform === 'win32' || (found.uid === userInfo().uid && (found.mode & 0o022) === 0);
    if (!found.isFile() || !isOwn || found.size > largestIndexBytes) {
      throw new Error(`${file} cannot be believed.`);
    }
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
