import { CheckpointError } from '../../model/checkpoint-error.ts';
import { damagedField } from '../structure.ts';

/** "The Descriptor", section "Extent Description". Sizes in sectors. */
export interface ExtentDescription {
  access: 'RW' | 'RDONLY';
  sizeSectors: number;
  type: 'FLAT' | 'VMFS' | 'SPARSE' | 'VMFSSPARSE' | 'ZERO';
  /** A plain name in the descriptor's own folder; absent for ZERO. */
  fileName: string | undefined;
  offsetSectors: number;
}

/** "The Descriptor": what the text of a VMDK says. */
export interface Descriptor {
  /** Content id, eight hexadecimal digits. */
  cid: string;
  /** The parent's content id; undefined for a disk that stands alone. */
  parentCid: string | undefined;
  /** As it is written there. */
  parentFileNameHint: string | undefined;
  createType: string;
  extents: ExtentDescription[];
}

/** A longer text is nobody's descriptor. */
export const longestDescriptorBytes = 1 << 20;
/** 8 TiB in extents of 2 GiB; each is an open file. */
const mostExtents = 4096;
const largestExtentSectors = 2 ** 37;
const longestName = 255;
const longestHint = 4096;

const heading = /^#\s*Disk DescriptorFile\s*$/i;
const assignment = /^([A-Za-z][\w.]*)\s*=\s*(?:"([^"]*)"|([^"\s]*))$/;
const extentLine = /^(RW|RDONLY|NOACCESS)\s+(\d{1,15})\s+([A-Z]+)(?:\s+"([^"]*)"(?:\s+(\d{1,15}))?(?:\s+\S.*)?)?$/i;
const contentId = /^[0-9a-f]{1,8}$/i;
const noParent = 'ffffffff';
/** The header's keys; a second one with another value would mean something else to every reader. */
const headerKeys = ['version', 'encoding', 'cid', 'parentcid', 'createtype', 'parentfilenamehint'];
/** Disks that are devices, or that are stored in ways that are not published. */
const otherTypes = /^(fullDevice|partitionedDevice|vmfsRaw|vmfsRDMP?|vmfs(Passthrough)?RawDeviceMap|seSparse)$/i;

/**
 * Parses a descriptor, strictly: it may come from anywhere.
 * @param content padded with zeros where it is embedded
 * @param path of its file, for errors
 * @throws ImageDamaged with the line, UnsupportedDisk, ParentNotAllowed for an extent outside the folder
 */
export function parseDescriptor(content: Buffer, path: string): Descriptor {
  const end = content.indexOf(0);
  const lines = decode(end === -1 ? content : content.subarray(0, end), path)
    .split(/\r?\n/)
    .map((line) => line.trim());
  if (!heading.test(lines.find((line) => line !== '') ?? '')) {
    throw damagedField(path, '# Disk DescriptorFile', 'the descriptor does not begin with it');
  }
  const header = new Map<string, string>();
  const extents: ExtentDescription[] = [];
  lines.forEach((line, index) => {
    if (line === '' || line.startsWith('#')) {
      return;
    }
    const where = `descriptor line ${index + 1}`;
    const extent = extentLine.exec(line);
    if (extent !== null) {
      extents.push(parseExtent(extent, where, path));
      return;
    }
    const pair = assignment.exec(line);
    if (pair === null) {
      throw damagedField(path, where, 'it is neither an extent nor an assignment');
    }
    note(header, pair[1] ?? '', pair[2] ?? pair[3] ?? '', path);
  });
  if (extents.length > mostExtents) {
    throw damagedField(path, 'extents', `there are ${extents.length}, and at most ${mostExtents} are opened`);
  }
  return fromHeader(header, extents, path);
}

function note(header: Map<string, string>, name: string, value: string, path: string): void {
  const key = name.toLowerCase();
  if (key.startsWith('encrypt')) {
    throw unsupported(path, name, 'it is encrypted');
  }
  // VirtualBox's snapshots name their parent by its uuid alone, and only VirtualBox's settings know which file that is.
  if (key === 'ddb.uuid.parent' && /[1-9a-f]/i.test(value)) {
    throw unsupported(
      path,
      name,
      'it holds only what differs from another disk of VirtualBox, and does not say in which file that is. ' +
        'Clone it with VirtualBox (VBoxManage clonemedium), which makes one disk of both',
    );
  }
  if (!headerKeys.includes(key)) {
    return;
  }
  if ((header.get(key) ?? value) !== value) {
    throw damagedField(path, name, 'it is given twice, with different values');
  }
  header.set(key, value);
}

function fromHeader(header: ReadonlyMap<string, string>, extents: ExtentDescription[], path: string): Descriptor {
  const createType = header.get('createtype') ?? '';
  if (!/^\w{1,64}$/.test(createType)) {
    throw damagedField(path, 'createType', 'it is missing or not a word');
  }
  if (otherTypes.test(createType)) {
    throw unsupported(path, 'createType', `disks of the type ${createType} cannot be read`);
  }
  if (!/^[1-4]$/.test(header.get('version') ?? '')) {
    throw unsupported(path, 'version', `the descriptor's version is ${quoted(header.get('version') ?? 'missing')}`);
  }
  const cid = idOf(header, 'CID', path) ?? noParent;
  const parentCid = idOf(header, 'parentCID', path);
  const hasParent = parentCid !== undefined && parentCid !== noParent;
  const hint = header.get('parentfilenamehint');
  if (hasParent && (hint === undefined || hint === '' || hint.length > longestHint || hasControl(hint))) {
    throw damagedField(path, 'parentFileNameHint', 'there is a parentCID, and no usable name of the parent');
  }
  // QEMU follows the hint whatever the id says; here the two must agree, so that nobody reads another disk than others.
  if (!hasParent && hint !== undefined && hint !== '') {
    throw damagedField(path, 'parentCID', 'a parent is named, and the id says that there is none');
  }
  return {
    cid,
    parentCid: hasParent ? parentCid : undefined,
    parentFileNameHint: hasParent ? hint : undefined,
    createType,
    extents,
  };
}

function idOf(header: ReadonlyMap<string, string>, field: string, path: string): string | undefined {
  const value = header.get(field.toLowerCase());
  if (value !== undefined && !contentId.test(value)) {
    throw damagedField(path, field, `it is ${quoted(value)}, and must be up to eight hexadecimal digits`);
  }
  return value?.toLowerCase().padStart(8, '0');
}

function parseExtent(found: RegExpExecArray, where: string, path: string): ExtentDescription {
  const [, access = '', size = '', typeText = '', name, offset] = found;
  const type = extentType(typeText, where, path);
  const sizeSectors = Number(size);
  if (sizeSectors < 1 || sizeSectors > largestExtentSectors) {
    throw damagedField(path, where, `the extent has ${size} sectors`);
  }
  const offsetSectors = Number(offset ?? 0);
  if (offsetSectors > largestExtentSectors) {
    throw damagedField(path, where, `the extent begins at sector ${offset ?? ''} of its file`);
  }
  const upper = access.toUpperCase();
  if (upper !== 'RW' && upper !== 'RDONLY') {
    throw unsupported(path, where, 'an extent is marked NOACCESS');
  }
  if (type !== 'ZERO' && name === undefined) {
    throw damagedField(path, where, 'the extent names no file');
  }
  if (name !== undefined && type !== 'ZERO') {
    requirePlainName(name, path);
  }
  return { access: upper, sizeSectors, type, fileName: type === 'ZERO' ? undefined : name, offsetSectors };
}

function extentType(text: string, where: string, path: string): ExtentDescription['type'] {
  const type = text.toUpperCase();
  switch (type) {
    case 'FLAT':
    case 'VMFS':
    case 'SPARSE':
    case 'VMFSSPARSE':
    case 'ZERO':
      return type;
    default:
      throw unsupported(path, where, `extents of the type ${quoted(text)} cannot be read`);
  }
}

/** An extent lies beside its descriptor, always: anything else in a name leads somewhere else on some system. */
function requirePlainName(name: string, path: string): void {
  if (
    name === '' ||
    name === '.' ||
    name === '..' ||
    name.length > longestName ||
    /[/\\:]/.test(name) ||
    hasControl(name)
  ) {
    throw new CheckpointError(
      'ParentNotAllowed',
      `The disk ${path} names an extent that does not lie beside it: ${quoted(name)}. It is not opened. ` +
        'Put the extents into one folder with their descriptor, and name them there without a path.',
      { path, field: 'extent', found: name.slice(0, longestName) },
    );
  }
}

/** The text in the encoding that it declares; UTF-8 without one. */
function decode(content: Buffer, path: string): string {
  const declared = /^\s*encoding\s*=\s*"?([\w.-]{1,40})"?\s*$/im.exec(content.toString('latin1'))?.[1] ?? 'utf-8';
  let decoder;
  try {
    decoder = new TextDecoder(declared, { fatal: true });
  } catch {
    // ASCII reads alike in every encoding that VMware names, such as windows-936, which is not known by that name here.
    if (content.every((byte) => byte < 0x80)) {
      return content.toString('latin1');
    }
    throw unsupported(path, 'encoding', `the encoding ${quoted(declared)} is not known`);
  }
  try {
    return decoder.decode(content);
  } catch {
    throw damagedField(path, 'encoding', `the text is not ${declared}`);
  }
}

function hasControl(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- that is what is looked for
  return /[\x00-\x1f\x7f]/.test(text);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function unsupported(path: string, field: string, problem: string): CheckpointError {
  return new CheckpointError('UnsupportedDisk', `The disk ${path} cannot be used: ${problem}.`, {
    path,
    field,
    problem,
  });
}
