import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
  type Stats,
} from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { z } from 'zod';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { englishOf, say } from '../model/sayings.ts';
import type { Sentence } from '../protocol/sentences.ts';
import type { RememberedFiles } from './remembered-files.ts';

/** Largest record that is read; anything longer was not written by us. */
const largestRecordBytes = 4 * 1024 * 1024;

const synced = promisify(fsync);

type Durability = 'durable' | 'in passing';

/** New content of a file, on the disk already but for its name. */
export interface Draft {
  /** Gives it the file's name: until then there is the old content, from then on the new, unless the power fails. */
  put(): void;
  /** The same, durably. */
  place(): Promise<void>;
  /** Takes it away, when it is not wanted after all. */
  drop(): void;
}

/**
 * Replaces a file so that any reader, and any crash, sees either the old content or the new, whole: the content is on the
 * disk before the name leads to it, and the name is before this returns.
 *
 * Only the two waits for the disk leave this thread. All else happens in the kernel's memory, and to hand it to another
 * thread and back would cost several times as much as doing it.
 * @param durability `in passing`: the new content may be lost when the power fails, for what can be found out again
 * @param draftFolder where the new content is first, on the same volume; the file's own folder when absent
 */
export async function writeFileAtomically(
  file: string,
  content: string | Buffer,
  durability: Durability = 'durable',
  draftFolder?: string,
): Promise<void> {
  const draft = await draftFile(file, content, durability, draftFolder);
  try {
    await draft.place();
  } catch (error) {
    draft.drop();
    throw error;
  }
}

/** The first half of {@link writeFileAtomically}, for waiting for the disk beside other things. */
export async function draftFile(
  file: string,
  content: string | Buffer,
  durability: Durability = 'durable',
  draftFolder: string = path.dirname(file),
): Promise<Draft> {
  const temporary = path.join(draftFolder, `${path.basename(file)}.${randomBytes(4).toString('hex')}.new`);
  const drop = (): void => rmSync(temporary, { force: true });
  try {
    const descriptor = openSync(temporary, 'wx', 0o600);
    try {
      writeWhole(descriptor, Buffer.from(content));
      if (durability === 'durable') {
        await synced(descriptor);
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    drop();
    throw error;
  }
  const put = (): void => renameSync(temporary, file);
  return {
    put,
    async place() {
      put();
      if (durability === 'durable') {
        await syncFolder(path.dirname(file));
      }
    },
    drop,
  };
}

function writeWhole(descriptor: number, content: Buffer): void {
  let written = 0;
  while (written < content.length) {
    written += writeSync(descriptor, content, written);
  }
}

/** Makes the names in a folder durable. Windows has no such call and needs none: NTFS logs its metadata. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') {
    return;
  }
  const descriptor = openSync(folder, 'r');
  try {
    await synced(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** @param draftFolder as in {@link writeFileAtomically} */
export async function writeRecord(file: string, record: object, draftFolder?: string): Promise<void> {
  await writeFileAtomically(file, textOf(record), 'durable', draftFolder);
}

/** @param draftFolder as in {@link writeFileAtomically} */
export function draftRecord(file: string, record: object, draftFolder: string): Promise<Draft> {
  return draftFile(file, textOf(record), 'durable', draftFolder);
}

/**
 * As {@link draftRecord}. Whoever reads the file and finds just this there need not take it apart again.
 * @param draftFolder as in {@link writeFileAtomically}
 */
export function draftRemembered<T extends object>(
  files: RememberedFiles<T>,
  file: string,
  record: T,
  draftFolder: string,
): Promise<Draft> {
  const text = textOf(record);
  files.expect(file, text, record);
  return draftFile(file, text, 'durable', draftFolder);
}

function textOf(record: object): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** Where records of one schema are remembered that were read before. */
export interface RecordMemory<T> {
  files: RememberedFiles<T>;
  /** See {@link RememberedFiles}. */
  reader?: object | undefined;
}

/**
 * Reads a JSON file and believes it only after its schema did.
 * @param memory what it gives is shared: nobody is to change it
 * @returns undefined when there is no such file.
 * @throws MachineDamaged when it is there and cannot be believed.
 */
export async function readRecord<S extends z.ZodType>(
  file: string,
  schema: S,
  memory?: RecordMemory<z.output<S>>,
): Promise<z.output<S> | undefined> {
  let read: { text: string; found: Stats };
  try {
    // Many records are not there most of the time, and an error costs ten times as much as a look.
    const found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined) {
      return undefined;
    }
    const known = memory?.files.get(file, found, memory.reader);
    if (known !== undefined) {
      return known;
    }
    read = readRecordText(file);
    const same = memory?.files.getSaying(file, read.text);
    if (same !== undefined) {
      memory?.files.remember(file, read.found, same, read.found.size, { reader: memory.reader, text: read.text });
      return same;
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') {
      return undefined;
    }
    if (systemCode(error) === 'ELOOP') {
      throw new RecordDamaged(file, say('linkLeadsNowhere'));
    }
    throw error;
  }
  let json: unknown;
  try {
    json = JSON.parse(read.text);
  } catch {
    throw new RecordDamaged(file, say('isNotJson'));
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue === undefined ? '' : issue.path.join('.');
    throw new RecordDamaged(file, say('fieldIsOther', { field, issue: issue?.message ?? 'unknown' }));
  }
  memory?.files.remember(file, read.found, parsed.data, read.found.size, { reader: memory.reader, text: read.text });
  return parsed.data;
}

/**
 * At once: a record is small, and each of the six turns that a thread would take to read it costs as much as all of this.
 * Opened without ever waiting: a pipe that lies where a record is expected would hold the engine until somebody writes to it.
 * @returns its text, and what the system said of it before
 */
export function readRecordText(file: string): { text: string; found: Stats } {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) {
      throw new RecordDamaged(file, say('isNotRegular'));
    }
    if (found.size > largestRecordBytes) {
      throw new RecordDamaged(file, say('isTooLong', { bytes: found.size }));
    }
    const content = Buffer.alloc(found.size);
    let length = 0;
    while (length < content.length) {
      const read = readSync(fd, content, length, content.length - length, length);
      if (read === 0) {
        break;
      }
      length += read;
    }
    return { text: content.toString('utf8', 0, length), found };
  } finally {
    closeSync(fd);
  }
}

/** A record that is there and cannot be believed. */
export class RecordDamaged extends CheckpointError {
  readonly why: Sentence;

  constructor(file: string, why: Sentence) {
    const sentences = [say('recordBroken', { path: file, why }), say('restoreOrMoveAway'), say('nothingChanged')];
    super('MachineDamaged', englishOf(sentences), { path: file, problem: englishOf([why]), sentences });
    this.why = why;
  }
}
