import { damagedField, type StructureTable } from '../structure.ts';

/** QEMU docs/interop/qcow2, section "Header extensions". */
export const extensionType = {
  end: 0,
  backingFormat: 0xe2792aca,
  featureNameTable: 0x6803f857,
  bitmaps: 0x23852875,
  fullDiskEncryption: 0x0537be77,
  externalDataFile: 0x44415441,
} as const;

export interface HeaderExtension {
  type: number;
  content: Buffer;
}

/** Section "Bitmaps extension". */
export const bitmapsExtensionTable = {
  nbBitmaps: { offset: 0, type: 'u32be' },
  bitmapDirectorySize: { offset: 8, type: 'u64be' },
  bitmapDirectoryOffset: { offset: 16, type: 'u64be' },
} as const satisfies StructureTable;
export const bitmapsExtensionBytes = 24;

/** Type and length before each extension's content. */
const prefixBytes = 8;

/**
 * The extensions between the header and `end`, which is where the backing file's name or the first cluster ends them.
 * @throws ImageDamaged
 */
export function readExtensions(head: Buffer, headerLength: number, end: number, path: string): HeaderExtension[] {
  const extensions: HeaderExtension[] = [];
  const limit = Math.min(end, head.length);
  let at = headerLength;
  while (at + prefixBytes <= limit) {
    const type = head.readUInt32BE(at);
    const length = head.readUInt32BE(at + 4);
    if (type === extensionType.end) {
      break;
    }
    if (length > limit - at - prefixBytes) {
      throw damagedField(path, 'header extension length', `it is ${length}, more than there is room for`);
    }
    // Its own memory: the header's buffer is longer, and need not stay.
    extensions.push({ type, content: Buffer.from(head.subarray(at + prefixBytes, at + prefixBytes + length)) });
    at += prefixBytes + padded(length);
  }
  return extensions;
}

export function findExtension(extensions: readonly HeaderExtension[], type: number): HeaderExtension | undefined {
  return extensions.find((extension) => extension.type === type);
}

/** The header extension area, with its end mark. */
export function encodeExtensions(extensions: readonly HeaderExtension[]): Buffer {
  const length = extensions.reduce((sum, { content }) => sum + prefixBytes + padded(content.length), prefixBytes);
  const area = Buffer.alloc(length);
  let at = 0;
  for (const { type, content } of extensions) {
    area.writeUInt32BE(type, at);
    area.writeUInt32BE(content.length, at + 4);
    content.copy(area, at + prefixBytes);
    at += prefixBytes + padded(content.length);
  }
  return area;
}

function padded(length: number): number {
  return Math.ceil(length / 8) * 8;
}
