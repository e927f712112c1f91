import { dirname, resolve, win32 } from 'node:path';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { damagedField, readField, readStructure, writeStructure } from '../structure.ts';
import {
  parentLocatorEntry,
  parentLocatorEntryBytes,
  parentLocatorHeader,
  parentLocatorHeaderBytes,
  vhdxLocatorType,
  zeroGuid,
} from './structures.ts';

/** Most pairs that a locator is believed to have; Windows writes five. */
const mostPairs = 64;
const longestValueBytes = 0xfffe;

/** A VHDX parent locator ([MS-VHDX] 2.6.2.6.3): its pairs, in the order of the file. */
export type ParentLocator = ReadonlyMap<string, string>;

/** @throws ImageDamaged; UnsupportedDisk for a locator of another type */
export function decodeParentLocator(bytes: Buffer, path: string): ParentLocator {
  if (bytes.length < parentLocatorHeaderBytes) {
    throw damagedField(path, 'parent locator', `it is ${bytes.length} bytes long`);
  }
  const type = readField(bytes, parentLocatorHeader.LocatorType);
  if (type !== vhdxLocatorType) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The parent of ${path} is named in a way that is not known here (${type}).`,
      { path, field: 'LocatorType', expected: vhdxLocatorType, found: type },
    );
  }
  const count = readField(bytes, parentLocatorHeader.KeyValueCount);
  if (count > mostPairs || parentLocatorHeaderBytes + count * parentLocatorEntryBytes > bytes.length) {
    throw damagedField(path, 'KeyValueCount', `${count} pairs do not fit into the parent locator`);
  }
  const pairs = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const entry = readStructure(bytes, parentLocatorEntry, parentLocatorHeaderBytes + index * parentLocatorEntryBytes);
    const key = text(bytes, entry.KeyOffset, entry.KeyLength, 'KeyOffset', path);
    if (pairs.has(key)) {
      throw damagedField(path, 'parent locator', `the key ${JSON.stringify(key)} is there twice`);
    }
    pairs.set(key, text(bytes, entry.ValueOffset, entry.ValueLength, 'ValueOffset', path));
  }
  if (linkages(pairs).length === 0) {
    throw damagedField(path, 'parent_linkage', 'it is missing or no GUID');
  }
  return pairs;
}

function text(bytes: Buffer, offset: number, length: number, field: string, path: string): string {
  if (offset + length > bytes.length || length % 2 !== 0) {
    throw damagedField(path, field, `the ${length} bytes from ${offset} do not lie inside the parent locator`);
  }
  // Some writers count the NUL that ends a text.
  const value = bytes.toString('utf16le', offset, offset + length).replace(/\0+$/, '');
  if (value.includes('\0')) {
    throw damagedField(path, field, 'the text has a NUL inside');
  }
  return value;
}

/** GUIDs any of which the parent's DataWriteGuid may equal; parent_linkage2 counts only when it is not zero. */
export function linkages(locator: ParentLocator): string[] {
  return ['parent_linkage', 'parent_linkage2'].flatMap((key) => {
    const guid = /^\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?$/i
      .exec(locator.get(key) ?? '')?.[1]
      ?.toLowerCase();
    return guid === undefined || (guid === zeroGuid && key === 'parent_linkage2') ? [] : [guid];
  });
}

/**
 * The paths in the order to try, as this system writes them. Windows' absolute paths mean nothing elsewhere and are left
 * out there; `details` still shows them. Last comes the parent's bare name: disks that were copied into one folder have
 * lost every other way, and a wrong one does not have the linkage.
 */
export function parentPaths(locator: ParentLocator, platform = process.platform): string[] {
  const isWindows = platform === 'win32';
  const values = ['relative_path', 'volume_path', 'absolute_win32_path'].flatMap((key) => {
    const value = locator.get(key);
    return value === undefined || value === '' ? [] : [{ key, value }];
  });
  const paths = values.flatMap(({ key, value }) => {
    if (isWindows) {
      return [value];
    }
    const path = value.replaceAll('\\', '/');
    return key === 'relative_path' || (path.startsWith('/') && !path.startsWith('//')) ? [path] : [];
  });
  const dot = isWindows ? '.\\' : './';
  const names = values
    .map(({ value }) => win32.basename(value))
    .filter((name) => name !== '' && name !== '.' && name !== '..' && !name.includes(':'))
    .map((name) => dot + name);
  return [...new Set([...paths, ...names])];
}

/**
 * A locator for a parent.
 * @param linkage the parent's DataWriteGuid
 * @param relativePath from the child's folder, in this system's notation
 * @param childPath absolute
 * @throws InvalidArgument for a name that has no form in Windows' notation
 */
export function newParentLocator(
  linkage: string,
  relativePath: string,
  childPath: string,
  platform = process.platform,
): ParentLocator {
  if (platform !== 'win32' && relativePath.includes('\\')) {
    throw new CheckpointError(
      'InvalidArgument',
      `A VHDX cannot name the parent ${relativePath}: a backslash divides folders there. Rename the parent.`,
      { path: childPath, field: 'relative_path', found: relativePath },
    );
  }
  const relative = relativePath.replaceAll('/', '\\');
  const absolute = resolve(dirname(childPath), relativePath).replaceAll('/', '\\');
  return new Map([
    ['parent_linkage', `{${linkage}}`],
    ['relative_path', /^\.{1,2}\\|^[a-z]:|^\\/i.test(relative) ? relative : `.\\${relative}`],
    // Elsewhere than on Windows this has no drive; libvhdi looks at nothing but its last part.
    ['absolute_win32_path', /^[a-z]:/i.test(absolute) ? `\\\\?\\${absolute}` : absolute],
  ]);
}

/** @throws InvalidArgument for a path that is too long or has a NUL */
export function encodeParentLocator(locator: ParentLocator, path: string): Buffer {
  const pairs = [...locator].map((pair) => pair.map((value) => Buffer.from(value, 'utf16le')));
  for (const [key, value] of locator) {
    if (value.length * 2 > longestValueBytes || value.includes('\0') || value === '') {
      throw new CheckpointError('InvalidArgument', `The ${key} for ${path} is empty, too long, or has a NUL in it.`, {
        path,
        field: key,
      });
    }
  }
  const header = Buffer.alloc(parentLocatorHeaderBytes + pairs.length * parentLocatorEntryBytes);
  writeStructure(header, parentLocatorHeader, { LocatorType: vhdxLocatorType, KeyValueCount: pairs.length });
  let offset = header.length;
  pairs.forEach(([key = Buffer.alloc(0), value = Buffer.alloc(0)], index) => {
    writeStructure(
      header,
      parentLocatorEntry,
      {
        KeyOffset: offset,
        ValueOffset: offset + key.length,
        KeyLength: key.length,
        ValueLength: value.length,
      },
      parentLocatorHeaderBytes + index * parentLocatorEntryBytes,
    );
    offset += key.length + value.length;
  });
  return Buffer.concat([header, ...pairs.flat()]);
}
