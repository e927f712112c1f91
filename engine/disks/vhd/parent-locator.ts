import nodePath from 'node:path';
import type { PiecesRead } from '../pieces-read.ts';
import type { ParentLocatorEntry } from './dynamic-header.ts';
import type { Problem } from './footer.ts';
import { damagedField } from '../structure.ts';

/** What a parent locator says: its platform code and its text, as stored. */
export interface ParentLocator {
  platformCode: PlatformCode;
  text: string;
}

/**
 * VHD 1.0, "Parent Locator Entry", platform codes: relative and absolute Windows paths (UTF-16 little-endian), and a
 * file URL (UTF-8). The deprecated ones and Mac OS aliases say nothing that `parentUnicodeName` does not.
 */
export type PlatformCode = 'W2ru' | 'W2ku' | 'MacX';

const platformCodes: readonly PlatformCode[] = ['W2ru', 'W2ku', 'MacX'];

/** More than any system's longest path. */
const longestTextBytes = 65536;

/**
 * Reads the text of each locator that is known here. `platformDataSpace` is not believed: the specification has it in
 * sectors, files by Windows in bytes, and `platformDataLength` is in bytes for everyone.
 */
export async function readParentLocators(
  file: PiecesRead,
  entries: readonly ParentLocatorEntry[],
  fileBytes: number,
): Promise<{ locators: ParentLocator[]; problems: Problem[] }> {
  const locators: ParentLocator[] = [];
  const problems: Problem[] = [];
  for (const entry of entries) {
    const code = entry.platformCode.toString('latin1');
    const platformCode = platformCodes.find((known) => known === code);
    if (platformCode === undefined || entry.platformDataLength === 0) {
      continue;
    }
    const length = entry.platformDataLength;
    if (length > longestTextBytes || entry.platformDataOffset + BigInt(length) > BigInt(fileBytes)) {
      problems.push({
        field: 'Platform Data Offset',
        problem: `the ${length} bytes of the parent locator ${code} at ${entry.platformDataOffset} do not lie inside the file`,
      });
      continue;
    }
    const bytes = await file.bytes(Number(entry.platformDataOffset), length);
    if (bytes.length < length) {
      throw damagedField(file.path, 'Platform Data Offset', 'the file ends before the parent locator does');
    }
    const text = platformCode === 'MacX' ? bytes.toString('utf8') : utf16Text(bytes);
    locators.push({ platformCode, text: text.replace(/\0+$/, '') });
  }
  return { locators, problems };
}

/** `parentUnicodeName`, which is UTF-16 big-endian. */
export function unicodeNameText(bytes: Buffer): string {
  return Buffer.from(bytes).swap16().toString('utf16le').replace(/\0.*$/s, '');
}

/**
 * The paths in the order to try, as this system writes them, relative ones first. A Windows drive or share means nothing
 * elsewhere; there the parent's bare name stands in for it. Every candidate is verified by the parent's unique id anyway.
 */
export function parentPaths(
  locators: readonly ParentLocator[],
  unicodeName: string,
  platform: NodeJS.Platform = process.platform,
): string[] {
  const relative: string[] = [];
  const absolute: string[] = [];
  for (const locator of locators) {
    const path = locator.platformCode === 'MacX' ? pathOfUrl(locator.text) : pathOfWindows(locator.text, platform);
    if (path !== undefined && isUsable(path)) {
      (isAbsoluteAnywhere(path) ? absolute : relative).push(path);
    }
  }
  const native = absolute.filter((path) =>
    platform === 'win32' ? nodePath.win32.isAbsolute(path) : nodePath.posix.isAbsolute(path),
  );
  const names = [unicodeName, ...absolute].map((path) => nodePath.win32.basename(path)).filter(isUsable);
  return [...new Set([...relative, ...names, ...native])];
}

/** The texts to store for a parent, in the order of the entries, and its name for `parentUnicodeName`. */
export function parentLocatorsFor(
  parentPath: string,
  relativePath: string,
  platform: NodeJS.Platform = process.platform,
): { locators: ParentLocator[]; unicodeName: string } {
  const isWindows = platform === 'win32';
  const style = isWindows ? nodePath.win32 : nodePath.posix;
  const unicodeName = style.basename(relativePath);
  if (style.isAbsolute(relativePath)) {
    return {
      locators: [
        isWindows
          ? { platformCode: 'W2ku', text: relativePath.replaceAll('/', '\\') }
          : { platformCode: 'MacX', text: `file://${encodedPath(relativePath)}` },
      ],
      unicodeName,
    };
  }
  const dotted = /^\.\.?(?:[\\/]|$)/.test(relativePath) ? relativePath : `.${style.sep}${relativePath}`;
  const relative: ParentLocator = { platformCode: 'W2ru', text: dotted.replaceAll('/', '\\') };
  return {
    locators: isWindows
      ? [relative, { platformCode: 'W2ku', text: parentPath }]
      : // A name with a backslash has no Windows form; the URL says it exactly.
        [relative, { platformCode: 'MacX', text: `file://${encodedPath(dotted)}` }],
    unicodeName,
  };
}

/** As stored: UTF-16 little-endian, or UTF-8 for the URL. */
export function locatorBytes({ platformCode, text }: ParentLocator): Buffer {
  return Buffer.from(text, platformCode === 'MacX' ? 'utf8' : 'utf16le');
}

/** 512 bytes of UTF-16 big-endian, cut where it does not fit: the locators have the whole of it. */
export function unicodeNameBytes(name: string): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write(name.slice(0, 255), 'utf16le');
  return bytes.swap16();
}

function utf16Text(bytes: Buffer): string {
  const even = bytes.subarray(0, bytes.length - (bytes.length % 2));
  // Some writers swap the bytes, as in the rest of the file: a path begins with a dot, a letter or a separator.
  const isBigEndian = even.length >= 2 && even[0] === 0 && even[1] !== 0;
  return (isBigEndian ? Buffer.from(even).swap16() : even).toString('utf16le');
}

function pathOfWindows(text: string, platform: NodeJS.Platform): string | undefined {
  return platform === 'win32' || /^(?:[a-z]:|\\\\)/i.test(text) ? text : text.replaceAll('\\', '/');
}

/** `file://./parent.vhd`, as XenServer writes it, is relative. */
function pathOfUrl(text: string): string | undefined {
  const encoded = /^file:\/\/(?:localhost(?=\/))?(.+)$/is.exec(text)?.[1];
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

function encodedPath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function isAbsoluteAnywhere(path: string): boolean {
  return nodePath.win32.isAbsolute(path) || /^[a-z]:/i.test(path);
}

function isUsable(path: string): boolean {
  return path !== '' && path !== '.' && path !== '..' && !path.includes('\0');
}
