import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFile } from '../disk-file.ts';
import { PiecesRead } from '../pieces-read.ts';
import { boundedNumber, damagedField } from '../structure.ts';
import {
  blockLayout,
  decodeDynamicHeader,
  dynamicHeaderBytes,
  type BlockLayout,
  type DynamicHeader,
} from './dynamic-header.ts';
import {
  decodeFooter,
  diskSizeBytes,
  diskTypes,
  footerBytes,
  maxDiskBytes,
  sectorBytes,
  type Footer,
  type Problem,
} from './footer.ts';
import { readParentLocators, type ParentLocator } from './parent-locator.ts';

/** What a file says of itself, read and bounded. */
export interface FixedMetadata {
  kind: 'fixed';
  footer: Footer;
  /** Where the footer is; the disk's data lies before it. */
  footerOffset: number;
  diskBytes: number;
}

export interface SparseMetadata {
  kind: 'sparse';
  footer: Footer;
  /** Where the file's own space ends and its footer is, or belongs when it was lost; a multiple of 512 or, in old files, not. */
  footerOffset: number;
  diskBytes: number;
  headerOffset: number;
  header: DynamicHeader;
  layout: BlockLayout;
  locators: ParentLocator[];
  /** What is wrong with the footer at the end, with its copy at the start, and with the locators. */
  endProblem: Problem | undefined;
  copyProblem: Problem | undefined;
  locatorProblems: Problem[];
}

/** Virtual PC before 2004 wrote footers of 511 bytes. */
const endFooterLengths = [footerBytes, footerBytes - 1];

/** VHD 1.0, "File Format Version": the upper half is the major version. */
const knownMajorVersion = 1;

/** Footer copy, header and parent locators, as this and most other programs lay them out. */
const startBytes = 8192;

/**
 * Reads footer, copy and header, each used where another is damaged.
 * @throws ImageDamaged, UnsupportedDisk
 */
export async function readMetadata(source: DiskFile): Promise<FixedMetadata | SparseMetadata> {
  const fileBytes = await source.size();
  const file = new PiecesRead(source);
  await Promise.all([
    file.fetch(Buffer.allocUnsafe(startBytes), 0),
    file.fetch(Buffer.allocUnsafe(footerBytes), Math.max(0, fileBytes - footerBytes)),
  ]);
  const copy = decodeFooter(await readUpTo(file, 0, footerBytes));
  const end = await readEndFooter(file, fileBytes);

  // The start of a fixed disk is its guest's, who can write there what looks like a copy; the end is not. In the other
  // disks the start is never the guest's, but after a crash the end may be: there the copy decides.
  if ('values' in end && end.values.diskType === diskTypes.fixed) {
    return fixedMetadata(end, end.offset, file.path);
  }
  const footer = hasBlocks(copy) ? copy : hasBlocks(end) ? end : undefined;
  if (footer === undefined) {
    throw unusable(file.path, end, copy);
  }
  requireKnownVersion(footer, file.path);
  const diskBytes = boundedSize(footer, file.path);
  const { header, headerOffset } = await readHeader(file, [footer, end], fileBytes);
  const layout = blockLayout(header, headerOffset, diskBytes, fileBytes, file.path);
  const isChild = footer.values.diskType === diskTypes.differencing;
  const { locators, problems } = isChild
    ? await readParentLocators(file, header.locators, fileBytes)
    : { locators: [], problems: [] };
  return {
    kind: 'sparse',
    footer,
    footerOffset: 'offset' in end ? end.offset : Math.ceil(fileBytes / sectorBytes) * sectorBytes,
    diskBytes,
    headerOffset,
    header,
    layout,
    locators,
    endProblem: problemOf(end, footer, 'the footer at the end of the file'),
    copyProblem: problemOf(copy, footer, 'the copy of the footer at the start of the file'),
    locatorProblems: problems,
  };
}

function fixedMetadata(footer: Footer, footerOffset: number, path: string): FixedMetadata {
  requireKnownVersion(footer, path);
  const diskBytes = boundedSize(footer, path);
  if (diskBytes > footerOffset) {
    throw damagedField(path, 'Current Size', `it is ${diskBytes}, and the file holds ${footerOffset} bytes of data`);
  }
  return { kind: 'fixed', footer, footerOffset, diskBytes };
}

async function readEndFooter(file: PiecesRead, fileBytes: number): Promise<(Footer & { offset: number }) | Problem> {
  let problem: Problem = { field: 'Cookie', problem: 'there is no hard disk footer' };
  for (const length of endFooterLengths) {
    const offset = fileBytes - length;
    if (offset < 0) {
      continue;
    }
    const found = decodeFooter(await readUpTo(file, offset, length));
    if ('values' in found) {
      return { ...found, offset };
    }
    problem = found.field === 'Checksum' ? found : problem;
  }
  return problem;
}

/** The header that the footer names; one that the other footer names when the first is damaged. */
async function readHeader(
  file: PiecesRead,
  footers: readonly (Footer | Problem)[],
  fileBytes: number,
): Promise<{ header: DynamicHeader; headerOffset: number }> {
  let problem: Problem | undefined;
  for (const footer of footers) {
    if (!hasBlocks(footer)) {
      continue;
    }
    const { dataOffset } = footer.values;
    if (dataOffset < BigInt(footerBytes) || dataOffset + BigInt(dynamicHeaderBytes) > BigInt(fileBytes)) {
      problem ??= { field: 'Data Offset', problem: `it is ${dataOffset}, and the file has ${fileBytes} bytes` };
      continue;
    }
    const found = decodeDynamicHeader(await readUpTo(file, Number(dataOffset), dynamicHeaderBytes));
    if ('values' in found) {
      return { header: found, headerOffset: Number(dataOffset) };
    }
    problem ??= found;
  }
  throw damagedField(file.path, problem?.field ?? 'Data Offset', problem?.problem ?? 'there is no dynamic disk header');
}

function hasBlocks(footer: Footer | Problem): footer is Footer {
  const { dynamic, differencing } = diskTypes;
  return 'values' in footer && (footer.values.diskType === dynamic || footer.values.diskType === differencing);
}

function problemOf(found: Footer | Problem, used: Footer, which: string): Problem | undefined {
  if (!('values' in found)) {
    return { field: found.field, problem: `${which} is missing or damaged (${found.problem})` };
  }
  return found.bytes.equals(used.bytes)
    ? undefined
    : { field: 'footer', problem: `${which} differs from the other one` };
}

function boundedSize(footer: Footer, path: string): number {
  return boundedNumber(diskSizeBytes(footer.values), { min: sectorBytes, max: maxDiskBytes }, 'Current Size', path);
}

function requireKnownVersion({ values }: Footer, path: string): void {
  if (values.fileFormatVersion >>> 16 !== knownMajorVersion) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The VHD ${path} has a version that is not known here (${values.fileFormatVersion.toString(16)}).`,
      { path, field: 'File Format Version', found: values.fileFormatVersion },
    );
  }
}

function unusable(path: string, end: Footer | Problem, copy: Footer | Problem): CheckpointError {
  for (const footer of [end, copy]) {
    if ('values' in footer && footer.values.diskType !== diskTypes.fixed) {
      const found = footer.values.diskType;
      return new CheckpointError(
        'UnsupportedDisk',
        `The VHD ${path} is of a type that is not known here (${found}); fixed, dynamic and differencing are.`,
        { path, field: 'Disk Type', found },
      );
    }
  }
  const problem = 'values' in end ? copy : end;
  return 'values' in problem
    ? damagedField(path, 'footer', 'the footer at the end of the file is missing; perhaps the copy was cut short')
    : damagedField(path, problem.field, `${problem.problem}, neither at the end of the file nor at its start`);
}

/** A copy, for the structures keep it; zeros behind the end of the file. */
async function readUpTo(file: PiecesRead, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  (await file.bytes(offset, length)).copy(buffer);
  return buffer;
}
