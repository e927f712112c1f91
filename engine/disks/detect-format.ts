import { CheckpointError } from '../model/checkpoint-error.ts';
import type { DiskFormat } from '../model/machine.ts';
import type { DiskFile } from './disk-file.ts';
import { readField, type Field } from './structure.ts';

/** First bytes of a file, by format (qcow2.txt "Header"; [MS-VHDX] 2.2.1; VMware Virtual Disk Format 1.1). */
const signatures: readonly { format: DiskFormat; text: string }[] = [
  { format: 'qcow2', text: 'QFI\xfb' },
  { format: 'vhdx', text: 'vhdxfile' },
  { format: 'vmdk', text: 'KDMV' },
  { format: 'vmdk', text: '# Disk DescriptorFile' },
];

/** What is taken for a disk by its name, and what to do with it: by bytes in some place of the first sector. */
const otherContents: readonly { at: number; text: string; what: string }[] = [
  { at: 0, text: '\xfd7zXZ\0', what: 'it is compressed with xz. Unpack it first' },
  { at: 0, text: '\x1f\x8b', what: 'it is compressed with gzip. Unpack it first' },
  { at: 0, text: '\x28\xb5\x2f\xfd', what: 'it is compressed with zstd. Unpack it first' },
  { at: 0, text: 'BZh', what: 'it is compressed with bzip2. Unpack it first' },
  { at: 0, text: 'PK\x03\x04', what: 'it is a zip archive. Unpack it first' },
  { at: 0, text: '7z\xbc\xaf\x27\x1c', what: 'it is a 7z archive. Unpack it first' },
  { at: 257, text: 'ustar', what: 'it is a tar archive, as an OVA is. Unpack it first' },
  { at: 0, text: '<!DOCTYPE html', what: 'it is a web page. Download the disk again' },
  { at: 0, text: 'LUKS\xba\xbe', what: 'it is encrypted with LUKS. Decrypt it first' },
  {
    at: 0,
    text: 'COWD',
    what: 'it is one extent of a VMDK. Open the descriptor that names it, a small .vmdk file beside it',
  },
  { at: 64, text: '\x7f\x10\xda\xbe', what: 'it is a VDI. Convert it with VirtualBox or qemu-img first' },
];

/** Virtual Hard Disk Image Format Specification 1.0, "Hard Disk Footer Format". */
const vhdFooter = {
  diskType: { offset: 60, type: 'u32be' },
  checksum: { offset: 64, type: 'u32be' },
} as const satisfies Record<string, Field>;
const vhdCookie = 'conectix';
/** Virtual PC before 2004 wrote footers of 511 bytes. */
const vhdFooterBytes = [512, 511];
const vhdFixed = 2;

/**
 * Tells the format of an image by its content, never by its name.
 * @throws NotADiskImage, UnsupportedDisk when the content can be read in two ways
 */
export async function detectFormat(file: DiskFile): Promise<DiskFormat> {
  const size = await file.size();
  const start = await readUpTo(file, 0, 512);
  const signed = signatures.find(({ text }) => start.toString('latin1', 0, text.length) === text)?.format;
  const hasVhdCopy = start.toString('latin1', 0, vhdCookie.length) === vhdCookie;
  if (hasVhdCopy) {
    return 'vhd';
  }
  const tail = await readUpTo(file, Math.max(0, size - 512), 512);
  for (const bytes of vhdFooterBytes.filter((length) => length <= tail.length)) {
    const footer = tail.subarray(tail.length - bytes);
    if (footer.toString('latin1', 0, vhdCookie.length) === vhdCookie) {
      // The start of a fixed VHD is its guest's: it may look like an image that names any file as its parent.
      if (signed !== undefined && isFixedVhd(footer)) {
        throw new CheckpointError(
          'UnsupportedDisk',
          `The content of ${file.path} can be read as ${signed} and as a fixed vhd. Say which one it is.`,
          { path: file.path, found: [signed, 'vhd'] },
        );
      }
      return signed ?? 'vhd';
    }
  }
  if (signed === undefined) {
    const other = otherContents.find(({ at, text }) => start.toString('latin1', at, at + text.length) === text)?.what;
    throw new CheckpointError(
      'NotADiskImage',
      `The file ${file.path} is not a disk image: ` +
        (other !== undefined
          ? `${other}.`
          : size === 0
            ? 'it is empty.'
            : 'its content is none of qcow2, VHDX, VHD or VMDK. If it is a raw disk, say so: its content cannot tell.'),
      { path: file.path },
    );
  }
  return signed;
}

function isFixedVhd(footer: Buffer): boolean {
  const checksum = readField(footer, vhdFooter.checksum);
  const sum = footer.reduce((total, byte, at) => (at >= 64 && at < 68 ? total : total + byte), 0);
  return readField(footer, vhdFooter.diskType) === vhdFixed && checksum === ~sum >>> 0;
}

async function readUpTo(file: DiskFile, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, await file.read(buffer, offset));
}
