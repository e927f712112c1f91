import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** What is looked at of a folder of records. */
export interface WatchedNames {
  files: readonly string[];
  /** With the `.json` files in them. */
  folders: readonly string[];
}

/**
 * What the file system says of a folder's records, without reading them: inode, size, and times of the last change of
 * content and inode of each.
 */
export interface RecordStamps {
  /** Of the folder itself, its watched files and its watched folders; four numbers each. */
  outer: number[];
  inner: InnerStamps;
}

/** Of the `.json` files in the watched folders. */
export interface InnerStamps {
  /** Relative to the folder. */
  names: string[];
  /** SHA-256 of their numbers. */
  digest: string;
}

/**
 * Clocks of file systems count in steps of up to 2 s (FAT). What was changed less than this ago could be changed again
 * without its stamp showing it.
 */
export const settlingMs = 3000;

const numbersEach = 4;

/**
 * Stamps of a folder's records, taken before any of them is read.
 * @returns undefined when a later change might not show, because something was changed only just now
 */
export function settledStamps(folder: string, watched: WatchedNames): RecordStamps | undefined {
  const settled = Date.now() - settlingMs;
  const outer = numbersOf(folder, outerNames(watched));
  const names = watched.folders.flatMap((inner) => recordsIn(folder, inner));
  const numbers = numbersOf(folder, names);
  const isSettled = (number: number, index: number): boolean => index % numbersEach < 2 || number < settled;
  if (outer === undefined || numbers === undefined || !outer.every(isSettled) || !numbers.every(isSettled)) {
    return undefined;
  }
  return { outer: [...outer], inner: { names, digest: digestOf(numbers) } };
}

/** True when no record came, went, or was replaced by another file, as each of our own writers does it. */
export function isOuterUnchanged(folder: string, watched: WatchedNames, outer: readonly number[]): boolean {
  const numbers = numbersOf(folder, outerNames(watched));
  return numbers?.length === outer.length && numbers.every((number, index) => number === outer[index]);
}

/** True when each of these files still looks like this. */
export function areInnerUnchanged(folder: string, { names, digest }: InnerStamps): boolean {
  const numbers = numbersOf(folder, names);
  return numbers !== undefined && digestOf(numbers) === digest;
}

function outerNames({ files, folders }: WatchedNames): string[] {
  return ['', ...files, ...folders];
}

/**
 * At once, and following links as a reader does: tens of thousands of turns of a thread would cost ten times as much.
 * @returns zeros for what is not there; undefined when the system does not tell
 */
function numbersOf(folder: string, names: readonly string[]): Float64Array | undefined {
  const numbers = new Float64Array(names.length * numbersEach);
  let at = 0;
  try {
    for (const name of names) {
      const found = statSync(`${folder}/${name}`, { throwIfNoEntry: false });
      if (found !== undefined) {
        numbers[at] = found.ino;
        numbers[at + 1] = found.size;
        numbers[at + 2] = found.mtimeMs;
        numbers[at + 3] = found.ctimeMs;
      }
      at += numbersEach;
    }
  } catch {
    return undefined;
  }
  return numbers;
}

function digestOf(numbers: Float64Array): string {
  return createHash('sha256').update(numbers).digest('base64');
}

function recordsIn(folder: string, inner: string): string[] {
  try {
    return readdirSync(path.join(folder, inner)).flatMap((name) =>
      name.endsWith('.json') ? [`${inner}/${name}`] : [],
    );
  } catch {
    return [];
  }
}
