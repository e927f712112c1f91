import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { DiskFormat } from '../../model/machine.ts';
import type { ParentReference } from '../disk.ts';

/** Formats by the names that QEMU's "backing file format" extension uses. */
const formatByName: Readonly<Record<string, DiskFormat>> = {
  raw: 'raw',
  vpc: 'vhd',
  vhdx: 'vhdx',
  qcow2: 'qcow2',
  vmdk: 'vmdk',
};

const nameByFormat: Readonly<Record<DiskFormat, string>> = {
  raw: 'raw',
  vhd: 'vpc',
  vhdx: 'vhdx',
  qcow2: 'qcow2',
  vmdk: 'vmdk',
};

/** The name that the header extension gives a format. */
export function backingFormatName(format: DiskFormat): string {
  return nameByFormat[format];
}

/** `nbd:…`, `ssh://…`, `json:{…}`: QEMU takes what stands before a colon for a protocol, unless a slash comes first. */
const protocol = /^[^/\\:]+:/;
const driveLetter = /^[A-Za-z]:[\\/]/;

/**
 * What an image says of its parent. Without a format name, `format` stays undefined: it is never found out by probing,
 * since the parent's content may be a guest's.
 * @throws UnsupportedDisk for anything but a file's path, and for a format that is not known here
 */
export function parseBackingFile(
  backingFile: string,
  backingFormat: string | undefined,
  path: string,
): ParentReference {
  requireFilePath(backingFile, 'backing file name', path);
  if (backingFormat === undefined) {
    return { paths: [backingFile] };
  }
  const format = formatByName[backingFormat];
  if (format === undefined) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The disk ${path} names a parent of the format ‘${backingFormat}’, which is not known here.`,
      { path, field: 'backing file format', found: backingFormat },
    );
  }
  return { paths: [backingFile], format };
}

/** @throws UnsupportedDisk when a name in an image is anything but a file's path */
export function requireFilePath(name: string, field: string, path: string): void {
  if (protocol.test(name) && !driveLetter.test(name)) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The disk ${path} names another disk as ‘${name}’. Only a file's path can be followed. Correct the name, or convert the disk to a single file.`,
      { path, field, found: name },
    );
  }
}
