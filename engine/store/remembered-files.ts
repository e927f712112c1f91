import type { Stats } from 'node:fs';
import { mayChangeUnseen } from './clock-step.ts';

/** What the system says of a file without reading it. */
export type FileStamp = Pick<Stats, 'dev' | 'ino' | 'size' | 'mtimeMs' | 'ctimeMs'>;

interface Entry<T> {
  /** Absent: only a file that says {@link Entry.text} is the one that this was made of. */
  stamp: FileStamp | undefined;
  text: string | undefined;
  value: T;
  sizeBytes: number;
  /** Whether a later change of the file would show in its stamp. */
  isSettled: boolean;
  reader: object | undefined;
}

/**
 * What was made of files that were read: it counts while a file has the inode, size and both times that it had then. The
 * time of the inode cannot be set back, so whatever somebody does to a file shows at the next look.
 *
 * A file that had been changed only just before it was read could be changed once more in the same tick of the clock, and
 * that would not show. What was made of it counts for the reader alone that made it: one that nobody else changes files for.
 * Others read it again; when it says the same, letter by letter, what was made of it is right.
 *
 * Holds so many bytes at most, by what its users say that each entry takes; what was not asked for the longest goes first.
 */
export class RememberedFiles<T> {
  readonly #mostBytes: number;
  readonly #entries = new Map<string, Entry<T>>();
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  /** @param stamp of the file as it is now */
  get(file: string, stamp: FileStamp, reader?: object): T | undefined {
    const entry = this.#entries.get(file);
    if (entry === undefined) {
      return undefined;
    }
    if (entry.stamp === undefined || !isSame(entry.stamp, stamp)) {
      if (entry.text === undefined) {
        this.forget(file);
      } else {
        entry.stamp = undefined;
      }
      return undefined;
    }
    if (!entry.isSettled && (reader === undefined || entry.reader !== reader)) {
      return undefined;
    }
    this.#entries.delete(file);
    this.#entries.set(file, entry);
    return entry.value;
  }

  /** @returns what was made of a file that has this text now */
  getSaying(file: string, text: string): T | undefined {
    const entry = this.#entries.get(file);
    return entry?.text === text ? entry.value : undefined;
  }

  /**
   * @param stamp of the file before it was read
   * @param read for whom, and what it said
   */
  remember(
    file: string,
    stamp: FileStamp,
    value: T,
    sizeBytes: number,
    read: { reader?: object | undefined; text?: string } = {},
  ): void {
    this.forget(file);
    const isSettled = !mayChangeUnseen(file, Math.max(stamp.mtimeMs, stamp.ctimeMs));
    const text = isSettled ? undefined : read.text;
    if (!isSettled && read.reader === undefined && text === undefined) {
      return;
    }
    const { dev, ino, size, mtimeMs, ctimeMs } = stamp;
    const known = { dev, ino, size, mtimeMs, ctimeMs };
    this.#set(file, { stamp: known, text, value, sizeBytes, isSettled, reader: read.reader });
  }

  /** What a file is about to say, and what a reader would make of that. */
  expect(file: string, text: string, value: T): void {
    this.forget(file);
    this.#set(file, { stamp: undefined, text, value, sizeBytes: text.length, isSettled: false, reader: undefined });
  }

  #set(file: string, made: Entry<T>): void {
    const entry = { ...made, sizeBytes: made.sizeBytes + (made.text?.length ?? 0) };
    if (entry.sizeBytes > this.#mostBytes) {
      return;
    }
    this.#entries.set(file, entry);
    this.#bytes += entry.sizeBytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#mostBytes) {
        break;
      }
      this.forget(oldest);
    }
  }

  forget(file: string): void {
    this.#bytes -= this.#entries.get(file)?.sizeBytes ?? 0;
    this.#entries.delete(file);
  }
}

function isSame(one: FileStamp, other: FileStamp): boolean {
  return (
    one.ino === other.ino &&
    one.size === other.size &&
    one.mtimeMs === other.mtimeMs &&
    one.ctimeMs === other.ctimeMs &&
    one.dev === other.dev
  );
}
