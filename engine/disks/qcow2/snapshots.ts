import type { InnerSnapshot } from '../disk.ts';
import { boundedNumber, damagedField, readStructure, type StructureTable } from '../structure.ts';
import type { ImageFile } from './image-file.ts';

/** QEMU docs/interop/qcow2, section "Snapshots": a snapshot table entry's fixed part. */
const snapshotTable = {
  l1TableOffset: { offset: 0, type: 'u64be' },
  l1Size: { offset: 8, type: 'u32be' },
  idLength: { offset: 12, type: 'u16be' },
  nameLength: { offset: 14, type: 'u16be' },
  seconds: { offset: 16, type: 'u32be' },
  nanoseconds: { offset: 20, type: 'u32be' },
  guestRunNanoseconds: { offset: 24, type: 'u64be' },
  vmStateSize: { offset: 32, type: 'u32be' },
  extraDataSize: { offset: 36, type: 'u32be' },
} as const satisfies StructureTable;
const fixedBytes = 40;

/** Same section: extra data, from the entry's start. */
const extraTable = {
  vmStateSize: { offset: 40, type: 'u64be' },
  virtualDiskSize: { offset: 48, type: 'u64be' },
} as const satisfies StructureTable;

/** Limits that QEMU has as well. */
const longestExtraData = 1024;
const longestTableBytes = 64 * 1024 * 1024;
const longestL1TableBytes = 32 * 1024 * 1024;

/** An internal snapshot. Sizes and offsets in bytes. */
export interface SnapshotInfo extends InnerSnapshot {
  l1TableOffset: number;
  l1Size: number;
}

/**
 * The snapshot table.
 * @throws ImageDamaged
 */
export async function readSnapshots(image: ImageFile): Promise<{ snapshots: SnapshotInfo[]; tableBytes: number }> {
  const { header, path } = image;
  const snapshots: SnapshotInfo[] = [];
  let at = header.snapshotsOffset;
  for (let index = 0; index < header.nbSnapshots; index++) {
    if (at - header.snapshotsOffset > longestTableBytes) {
      throw damagedField(path, 'snapshot table', `it is longer than ${longestTableBytes} bytes`);
    }
    const { snapshot, length } = await readSnapshot(image, at);
    snapshots.push(snapshot);
    at += length;
  }
  return { snapshots, tableBytes: at - header.snapshotsOffset };
}

async function readSnapshot(image: ImageFile, at: number): Promise<{ snapshot: SnapshotInfo; length: number }> {
  const { path, geometry } = image;
  const fixed = await readPart(image, at, fixedBytes);
  const fields = readStructure(fixed, snapshotTable);
  boundedNumber(fields.extraDataSize, { max: longestExtraData }, 'snapshot extra data size', path);
  const length = fixedBytes + fields.extraDataSize + fields.idLength + fields.nameLength;
  const entry = await readPart(image, at, length);
  const hasStateSize = fields.extraDataSize >= 8;
  const hasDiskSize = fields.extraDataSize >= 16;
  const extra = hasDiskSize ? readStructure(entry, extraTable) : undefined;
  const stateBytes = hasStateSize ? entry.readBigUInt64BE(extraTable.vmStateSize.offset) : fields.vmStateSize;
  const l1Size = boundedNumber(fields.l1Size, { max: longestL1TableBytes / 8 }, 'snapshot l1_size', path);
  const virtualSizeBytes = boundedNumber(
    extra?.virtualDiskSize ?? image.header.virtualSizeBytes,
    { max: Math.min(Number.MAX_SAFE_INTEGER, l1Size * geometry.l2Coverage) },
    'snapshot virtual disk size',
    path,
  );
  const l1TableOffset = boundedNumber(
    fields.l1TableOffset,
    { max: Math.max(0, image.sizeBytes - l1Size * 8) },
    'snapshot l1_table_offset',
    path,
  );
  if (l1Size > 0) {
    image.requireCluster(l1TableOffset, 'snapshot l1_table_offset');
  }
  const idAt = fixedBytes + fields.extraDataSize;
  const nameAt = idAt + fields.idLength;
  return {
    snapshot: {
      id: entry.toString('utf8', idAt, nameAt),
      name: entry.toString('utf8', nameAt, nameAt + fields.nameLength),
      takenMs: fields.seconds * 1000 + Math.floor(fields.nanoseconds / 1e6),
      virtualSizeBytes,
      vmStateBytes: boundedNumber(stateBytes, { max: Number.MAX_SAFE_INTEGER }, 'snapshot VM state size', path),
      l1TableOffset,
      l1Size,
    },
    length: Math.ceil(length / 8) * 8,
  };
}

async function readPart(image: ImageFile, at: number, length: number): Promise<Buffer> {
  const part = Buffer.alloc(length);
  if ((await image.file.read(part, at)) < length) {
    throw damagedField(image.path, 'snapshot table', 'the file ends inside it');
  }
  return part;
}
