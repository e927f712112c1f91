import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** What the file system says of some files and folders, without reading them. */
export interface FileStamps {
  /** Relative to one folder. */
  names: string[];
  /** SHA-256 of inode, size, and times of the last change of content and inode of each; see {@link numbersOf}. */
  digest: string;
}

/**
 * Clocks of file systems count in steps of up to 2 s (FAT). What was changed less than this ago could be changed again
 * without its stamp showing it.
 */
export const settlingMs = 3000;

const numbersEach = 4;

/**
 * Stamps of files, and of folders with the `.json` files in them, taken before any of them is read.
 * @returns undefined when a later change might not show, because something was changed only just now
 */
export function settledStamps(
  folder: string,
  files: readonly string[],
  folders: readonly string[],
): FileStamps | undefined {
  const names = [...files, ...folders.flatMap((inner) => [inner, ...recordsIn(folder, inner)])];
  const settled = Date.now() - settlingMs;
  const numbers = numbersOf(folder, names);
  const isSettled = numbers?.every((number, index) => index % numbersEach < 2 || number < settled) === true;
  return numbers !== undefined && isSettled ? { names, digest: digestOf(numbers) } : undefined;
}

/** True when everything still looks like this: no file has come, gone or changed. */
export function areUnchanged(folder: string, { names, digest }: FileStamps): boolean {
  const numbers = numbersOf(folder, names);
  return numbers !== undefined && digestOf(numbers) === digest;
}

/**
 * At once, and following links as a reader does: tens of thousands of turns of a thread would cost ten times as much.
 * @returns four numbers each, zeros for what is not there; undefined when the system does not tell
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
