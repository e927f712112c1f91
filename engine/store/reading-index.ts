import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from './atomic-file.ts';
import { areUnchanged, settledStamps, type FileStamps } from './file-stamps.ts';

/** 10,000 machines of 50 checkpoints make 180 MB. */
const largestIndexBytes = 256 * 1024 * 1024;

/** A clock of a file server that is further away would make `settlingMs` too short. */
const largestClockDifferenceMs = 1000;

/** A writer that takes longer has died. */
const abandonedAfterMs = 60_000;

const header = z.strictObject({ format: z.string(), sha256: z.string() });
const stampsLine = z.strictObject({ key: z.string(), names: z.array(z.string()), digest: z.string() });

interface Entry<T> {
  stamps: FileStamps;
  /** As in the file. */
  text: string;
  value?: T | undefined;
}

/** How what is remembered is told from anything else. */
export interface IndexedShape<T> {
  /** To be raised whenever the shape changes. */
  format: string;
  /** Needs to look no deeper than to tell the format: the file is whole by its digest, and nobody else's. */
  isValue: (json: unknown) => json is T;
}

/** What a folder's value is made of. */
export interface WatchedNames {
  files: readonly string[];
  /** With the `.json` files in them. */
  folders: readonly string[];
}

/**
 * Remembers what was made of the records of many folders, so that a cold start looks at files instead of reading them. It
 * only ever saves time:
 *
 * - What it remembers counts while inode, size and both times of each file and folder are what they were before it was
 *   read. The time of the inode cannot be set back, so an edit in place shows. What was changed only just now is not
 *   remembered: a second change in the same tick of the clock would not show.
 * - Its file is believed when it is this user's alone, of this format, and whole by its digest; else there is none.
 * - It is replaced atomically and not made durable. Of several engines the last one wins; nobody waits for it.
 * - No operation decides by it: whoever changes a machine reads the records themselves.
 */
export class ReadingIndex<T> {
  readonly #file: string;
  readonly #shape: IndexedShape<T>;
  readonly #watched: WatchedNames;
  #entries: Map<string, Entry<T>> | undefined;
  #hasNews = false;

  constructor(file: string, shape: IndexedShape<T>, watched: WatchedNames) {
    this.#file = file;
    this.#shape = shape;
    this.#watched = watched;
  }

  /** @returns what `read` made of the folder, or makes of it now */
  async valueOf(folder: string, read: () => Promise<T>): Promise<T> {
    const key = path.basename(folder);
    this.#entries ??= this.#load();
    const known = this.#entries.get(key);
    if (known !== undefined && areUnchanged(folder, known.stamps)) {
      known.value ??= this.#parse(known.text);
      if (known.value !== undefined) {
        return known.value;
      }
    }
    const stamps = settledStamps(folder, this.#watched.files, this.#watched.folders);
    const value = await read();
    if (stamps === undefined) {
      this.#entries.delete(key);
    } else {
      this.#entries.set(key, { stamps, text: JSON.stringify(value), value });
      this.#hasNews = true;
    }
    return value;
  }

  /** Writes what is new, of these folders. A home that cannot be written to does without. */
  async save(folders: readonly string[]): Promise<void> {
    const entries = this.#entries;
    if (!this.#hasNews || entries === undefined) {
      return;
    }
    this.#hasNews = false;
    const lines = folders.flatMap((folder) => {
      const key = path.basename(folder);
      const entry = entries.get(key);
      return entry === undefined ? [] : [JSON.stringify({ key, ...entry.stamps }), entry.text];
    });
    const body = Buffer.from(`${lines.join('\n')}\n`);
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
      const lines = body.toString('utf8').split('\n');
      for (let at = 0; at + 1 < lines.length; at += 2) {
        const { key, ...stamps } = stampsLine.parse(JSON.parse(lines[at] ?? ''));
        entries.set(key, { stamps, text: lines[at + 1] ?? '' });
      }
    } catch {
      // None, or none that can be believed.
      entries.clear();
    }
    return entries;
  }

  #parse(text: string): T | undefined {
    try {
      const json: unknown = JSON.parse(text);
      return this.#shape.isValue(json) ? json : undefined;
    } catch {
      return undefined;
    }
  }
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
