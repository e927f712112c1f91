import type { FileHandle } from 'node:fs/promises';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { readField, type Field } from '../structure.ts';

/** QEMU docs/interop/qcow2.txt, section "Header". */
const fields = {
  magic: { offset: 0, type: 'u32be' },
  version: { offset: 4, type: 'u32be' },
  backingFileOffset: { offset: 8, type: 'u64be' },
  backingFileSize: { offset: 16, type: 'u32be' },
  clusterBits: { offset: 20, type: 'u32be' },
  size: { offset: 24, type: 'u64be' },
  incompatibleFeatures: { offset: 72, type: 'u64be' },
  headerLength: { offset: 100, type: 'u32be' },
} as const satisfies Record<string, Field>;

export const qcow2Magic = 0x514649fb;
const headerLengthV2 = 72;
const headerLengthV3 = 104;
/** Same section: the header extension that holds the backing file's format name. */
const backingFormatExtension = 0xe2792aca;
/** Same section, incompatible_features. */
const corruptBit = 1n << 1n;
const externalDataFileBit = 1n << 2n;
const knownIncompatibleBits = 0b11111n;

export interface Qcow2Header {
  version: 2 | 3;
  clusterSize: number;
  virtualSizeBytes: number;
  backingFile?: string;
  /** Such as `qcow2` or `raw`. */
  backingFormat?: string;
  hasExternalDataFile: boolean;
}

/**
 * Reads the header and its extensions, all of which lie in the first cluster.
 * @throws UnsupportedDisk, ImageDamaged
 */
export async function readQcow2Header(handle: FileHandle, file: string): Promise<Qcow2Header> {
  const buffer = Buffer.alloc(65536);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
  const head = buffer.subarray(0, bytesRead);
  if (head.length < headerLengthV2) {
    throw damaged(file, 'header', 'the file ends inside it');
  }
  const version = readField(head, fields.version);
  if (version !== 2 && version !== 3) {
    throw new CheckpointError(
      'UnsupportedDisk',
      `The disk ${file} is qcow2 version ${version}; versions 2 and 3 are known.`,
      {
        path: file,
        field: 'version',
      },
    );
  }
  if (version === 3 && head.length < headerLengthV3) {
    throw damaged(file, 'header', 'the file ends inside it');
  }
  const clusterBits = readField(head, fields.clusterBits);
  if (clusterBits < 9 || clusterBits > 21) {
    throw damaged(file, 'cluster_bits', `it is ${clusterBits}`);
  }
  const size = readField(head, fields.size);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw damaged(file, 'size', `it is ${size}`);
  }
  const incompatible = version === 3 ? readField(head, fields.incompatibleFeatures) : 0n;
  if ((incompatible & ~knownIncompatibleBits) !== 0n) {
    throw new CheckpointError('UnsupportedDisk', `The disk ${file} uses qcow2 features that are not known here.`, {
      path: file,
      field: 'incompatible_features',
      found: `0x${incompatible.toString(16)}`,
    });
  }
  if ((incompatible & corruptBit) !== 0n) {
    throw damaged(file, 'incompatible_features', 'the image is marked corrupt');
  }
  const headerLength = version === 3 ? readField(head, fields.headerLength) : headerLengthV2;
  const backingFile = readBackingFile(head, file, 2 ** clusterBits);
  const backingFormat = readBackingFormat(head, file, headerLength);
  return {
    version: version,
    clusterSize: 2 ** clusterBits,
    virtualSizeBytes: Number(size),
    ...(backingFile === undefined ? {} : { backingFile }),
    ...(backingFormat === undefined ? {} : { backingFormat }),
    hasExternalDataFile: (incompatible & externalDataFileBit) !== 0n,
  };
}

function readBackingFile(head: Buffer, file: string, clusterSize: number): string | undefined {
  const offset = readField(head, fields.backingFileOffset);
  const length = readField(head, fields.backingFileSize);
  if (offset === 0n) {
    return undefined;
  }
  if (length === 0 || length > 1023) {
    throw damaged(file, 'backing_file_size', `it is ${length}`);
  }
  if (offset + BigInt(length) > Math.min(head.length, clusterSize)) {
    throw damaged(file, 'backing_file_offset', `it is ${offset}`);
  }
  return head.toString('utf8', Number(offset), Number(offset) + length);
}

function readBackingFormat(head: Buffer, file: string, headerLength: number): string | undefined {
  let at = headerLength;
  while (at + 8 <= head.length) {
    const type = head.readUInt32BE(at);
    const length = head.readUInt32BE(at + 4);
    if (type === 0) {
      return undefined;
    }
    if (length > head.length - at - 8) {
      throw damaged(file, 'header extension length', `it is ${length}`);
    }
    if (type === backingFormatExtension) {
      return head.toString('utf8', at + 8, at + 8 + length);
    }
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return undefined;
}

function damaged(file: string, field: string, problem: string): CheckpointError {
  return new CheckpointError(
    'ImageDamaged',
    `The disk ${file} is damaged: ${field}: ${problem}. Use a good copy of it.`,
    {
      path: file,
      field,
      problem,
    },
  );
}
