import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c, structureChecksum } from '../../../../../engine/disks/vhdx/crc32c.ts';
import { vhdxDriver } from '../../../../../engine/disks/vhdx/driver.ts';
import { headerOffsets, regionTableBytes, regionTableOffsets } from '../../../../../engine/disks/vhdx/structures.ts';
import type { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { about, contentOf, frozen, mebibyte, newVhdx, openChain } from './vhdx-files.ts';

const sizeBytes = 4 * mebibyte;
const metadataOffset = 2 * mebibyte;
const batOffset = 3 * mebibyte;

function put(file: MemoryFile, offset: number, content: Buffer): void {
  file.apply({ kind: 'write', offset, content });
}

/** Writes into a checksummed structure and mends its checksum, which lies at byte 4. */
function reseal(file: MemoryFile, at: number, length: number, change?: (structure: Buffer) => void): void {
  const structure = file.peek(at, length);
  change?.(structure);
  structure.writeUInt32LE(structureChecksum(structure, 4), 4);
  put(file, at, structure);
}

function changeHeader(file: MemoryFile, slot: 0 | 1, change: (header: Buffer) => void): void {
  reseal(file, headerOffsets[slot], 4096, change);
}

function changeRegionTables(file: MemoryFile, change: (table: Buffer) => void): void {
  regionTableOffsets.forEach((at) => reseal(file, at, regionTableBytes, change));
}

async function assertRefused(file: MemoryFile, code: string, field: string): Promise<void> {
  await assert.rejects(vhdxDriver.open({ file: frozen(file) }), about(code, field));
}

/** A disk whose first sector holds this. */
async function markedDisk(): Promise<MemoryFile> {
  const file = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const layer = await openChain(file);
  await layer.write(Buffer.alloc(512, 'marked '), 0);
  await layer.close();
  return file;
}

async function isMarked(file: MemoryFile): Promise<boolean> {
  return (await contentOf(await openChain(frozen(file)), 0, 512)).equals(Buffer.alloc(512, 'marked '));
}

test('CRC-32C: the examples of RFC 3720, B.4', () => {
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, index) => index))), 0x46dd794e);
  assert.equal(crc32c(Buffer.from('6789'), crc32c(Buffer.from('12345'))), 0xe3069283);
});

test('CRC-32C: long runs of zeros, which are passed at a step, count like other bytes', () => {
  const bytes = Buffer.alloc(3 * 4096 + 100);
  bytes[5] = 1;
  bytes[2 * 4096 + 7] = 2;
  for (const content of [bytes, bytes.subarray(6), Buffer.alloc(8192)]) {
    let inSmallPieces = 77;
    for (let at = 0; at < content.length; at += 100) {
      inSmallPieces = crc32c(content.subarray(at, at + 100), inSmallPieces);
    }
    assert.equal(crc32c(content, 77), inSmallPieces);
  }
});

test('file type identifier: without it, this is no VHDX', async () => {
  const file = await markedDisk();
  put(file, 0, Buffer.from('vhdxfilf'));
  await assertRefused(file, 'ImageDamaged', 'file type identifier');
});

test('headers: either is enough, the one with the greater SequenceNumber counts', async () => {
  for (const slot of [0, 1] as const) {
    const file = await markedDisk();
    put(file, headerOffsets[slot] + 100, Buffer.from('damaged'));
    assert.ok(await isMarked(file));
    const faults = await (await openChain(frozen(file))).check({ repair: false });
    assert.deepEqual(
      faults.map(({ field, isRepaired }) => [field, isRepaired]),
      [[`header ${slot + 1}`, false]],
    );
    const layer = await openChain(file);
    assert.deepEqual(
      (await layer.check({ repair: true })).map(({ isRepaired }) => isRepaired),
      [true],
    );
    await layer.close();
    assert.deepEqual(await (await openChain(frozen(file))).check({ repair: false }), []);
  }
  const file = await markedDisk();
  const guid = Buffer.alloc(16, 0x77);
  changeHeader(file, 0, (header) => {
    header.writeBigUInt64LE(1000n, 8);
    guid.copy(header, 32);
  });
  assert.equal((await openChain(file)).identity['DataWriteGuid'], '77777777-7777-7777-7777-777777777777');
  put(file, headerOffsets[0], Buffer.alloc(4096));
  put(file, headerOffsets[1], Buffer.alloc(4096));
  await assertRefused(file, 'ImageDamaged', 'header');
});

test('headers: equal numbers are fine in equal headers (disk2vhd), and in others not', async () => {
  const file = await markedDisk();
  put(file, headerOffsets[0], file.peek(headerOffsets[1], 4096));
  assert.ok(await isMarked(file));
  const layer = await openChain(file);
  await layer.write(Buffer.alloc(512, 'again '), 512);
  await layer.close();
  assert.ok(await isMarked(file));
  put(file, headerOffsets[0], file.peek(headerOffsets[1], 4096));
  changeHeader(file, 0, (header) => header.fill(0x77, 16, 32));
  await assertRefused(file, 'ImageDamaged', 'SequenceNumber');
});

test('headers: other versions, and a log outside the file', async () => {
  for (const [change, code, field] of [
    [(header: Buffer) => header.writeUInt16LE(2, 66), 'UnsupportedDisk', 'Version'],
    [(header: Buffer) => header.fill(1, 48, 64).writeUInt16LE(1, 64), 'UnsupportedDisk', 'LogVersion'],
    [(header: Buffer) => header.writeBigUInt64LE(2n ** 60n, 72), 'ImageDamaged', 'LogOffset'],
    [(header: Buffer) => header.writeBigUInt64LE(BigInt(mebibyte + 4096), 72), 'ImageDamaged', 'LogOffset'],
    [(header: Buffer) => header.writeUInt32LE(0xfff00000, 68), 'ImageDamaged', 'LogOffset'],
  ] as const) {
    const file = await markedDisk();
    changeHeader(file, 0, change);
    changeHeader(file, 1, change);
    await assertRefused(file, code, field);
  }
  // Without a log to be replayed its version does not matter.
  const file = await markedDisk();
  changeHeader(file, 0, (header) => header.writeUInt16LE(7, 64));
  changeHeader(file, 1, (header) => header.writeUInt16LE(7, 64));
  assert.ok(await isMarked(file));
});

test('headers: an update goes to the one that is not current, and FileWriteGuid changes first', async () => {
  const file = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const [before] = [await openChain(frozen(file))];
  const layer = await openChain(file);
  await layer.flush();
  assert.equal(layer.identity['FileWriteGuid'], before.identity['FileWriteGuid']);
  await layer.write(Buffer.alloc(1), 5);
  const changed = layer.identity;
  assert.notEqual(changed['FileWriteGuid'], before.identity['FileWriteGuid']);
  assert.notEqual(changed['DataWriteGuid'], before.identity['DataWriteGuid']);
  await layer.zero(0, sizeBytes);
  await layer.flush();
  await layer.write(Buffer.alloc(1), 5);
  assert.deepEqual(layer.identity, changed, 'once for each time that it is opened');
  await layer.close();
  assert.deepEqual((await openChain(frozen(file))).identity, changed);
  const numbers = headerOffsets.map((at) => file.peek(at, 4096).readBigUInt64LE(8));
  assert.equal(Math.abs(Number((numbers[0] ?? 0n) - (numbers[1] ?? 0n))), 1);
});

test('DataWriteGuid stays as it is while only metadata and places change', async () => {
  const file = await markedDisk();
  const before = (await openChain(frozen(file))).identity;
  const layer = await openChain(file);
  await layer.compact({});
  await layer.close();
  const after = (await openChain(frozen(file))).identity;
  assert.equal(after['DataWriteGuid'], before['DataWriteGuid']);
  assert.notEqual(after['FileWriteGuid'], before['FileWriteGuid']);
});

test('region tables: either copy is enough, and the check mends the other', async () => {
  // In what is used of it, and in the zeros behind.
  for (const [copy, at] of [
    [0, 40],
    [1, 40],
    [0, 5000],
    [1, 5000],
  ] as const) {
    const file = await markedDisk();
    put(file, regionTableOffsets[copy] + at, Buffer.from('damaged'));
    assert.ok(await isMarked(file));
    const layer = await openChain(file);
    const faults = await layer.check({ repair: true });
    assert.deepEqual(
      faults.map(({ field, isRepaired }) => [field, isRepaired]),
      [[`region table ${copy + 1}`, true]],
    );
    await layer.close();
    assert.deepEqual(await (await openChain(frozen(file))).check({ repair: false }), []);
    const [one, other] = regionTableOffsets.map((at) => file.peek(at, regionTableBytes));
    assert.ok(one !== undefined && other !== undefined && one.equals(other));
  }
  const file = await markedDisk();
  regionTableOffsets.forEach((at) => put(file, at + 40, Buffer.from('damaged')));
  await assertRefused(file, 'ImageDamaged', 'region table');
});

test('region tables: an unknown region is kept out of the way, or refused when it is required', async () => {
  for (const required of [0, 1]) {
    const file = await markedDisk();
    const end = file.sizeBytes;
    file.apply({ kind: 'truncate', sizeBytes: end + mebibyte });
    changeRegionTables(file, (table) => {
      table.writeUInt32LE(3, 8);
      table.fill(0x5a, 16 + 64, 16 + 64 + 16);
      table.writeBigUInt64LE(BigInt(end), 16 + 64 + 16);
      table.writeUInt32LE(mebibyte, 16 + 64 + 24);
      table.writeUInt32LE(required, 16 + 64 + 28);
    });
    if (required === 1) {
      await assertRefused(file, 'UnsupportedDisk', 'Required');
      continue;
    }
    put(file, end, Buffer.alloc(mebibyte, 'not ours '));
    const layer = await openChain(file);
    await layer.discard(0, mebibyte);
    await layer.write(Buffer.alloc(2 * mebibyte, 9), 0);
    await layer.compact({});
    await layer.close();
    assert.ok(file.peek(end, mebibyte).equals(Buffer.alloc(mebibyte, 'not ours ')));
  }
});

test('region tables: regions that are missing, doubled, misplaced, or lie over one another', async () => {
  for (const [change, field] of [
    [(table: Buffer) => table.writeUInt32LE(2048, 8), 'EntryCount'],
    [(table: Buffer) => table.writeUInt32LE(1, 8), 'region table'],
    [(table: Buffer) => table.copy(table, 48, 16, 32), 'Guid'],
    [(table: Buffer) => table.writeBigUInt64LE(BigInt(metadataOffset + 4096), 32), 'FileOffset of a region'],
    [(table: Buffer) => table.writeBigUInt64LE(BigInt(metadataOffset), 32), 'FileOffset of a region'],
    [(table: Buffer) => table.writeBigUInt64LE(2n ** 63n, 32), 'FileOffset of a region'],
    [(table: Buffer) => table.writeUInt32LE(0, 40), 'FileOffset of a region'],
  ] as const) {
    const file = await markedDisk();
    changeRegionTables(file, change);
    await assertRefused(file, 'ImageDamaged', field);
  }
});

test('metadata: required items, their bounds, and an unknown one', async () => {
  const item = (index: number): number => metadataOffset + 32 + index * 32;
  const itemContent = (file: MemoryFile, index: number): number =>
    metadataOffset + file.peek(item(index) + 16, 4).readUInt32LE(0);
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  for (const [change, code, field] of [
    [(file: MemoryFile) => put(file, metadataOffset, Buffer.from('metadatb')), 'ImageDamaged', 'metadata table'],
    [
      (file: MemoryFile) => put(file, metadataOffset + 10, Buffer.from([0xff, 0xff])),
      'ImageDamaged',
      'EntryCount of the metadata table',
    ],
    [(file: MemoryFile) => put(file, metadataOffset + 10, Buffer.from([1, 0])), 'ImageDamaged', 'LogicalSectorSize'],
    [(file: MemoryFile) => put(file, item(1), file.peek(item(0), 16)), 'ImageDamaged', 'metadata table'],
    [(file: MemoryFile) => put(file, item(0), Buffer.alloc(16, 1)), 'UnsupportedDisk', 'IsRequired'],
    [(file: MemoryFile) => put(file, item(0) + 16, u32(mebibyte)), 'ImageDamaged', 'Offset of a metadata item'],
    [(file: MemoryFile) => put(file, item(0) + 16, u32(100)), 'ImageDamaged', 'Offset of a metadata item'],
    [(file: MemoryFile) => put(file, item(0) + 20, u32(0xffffffff)), 'ImageDamaged', 'Length of a metadata item'],
    [(file: MemoryFile) => put(file, item(0) + 20, u32(4)), 'ImageDamaged', 'file parameters'],
    [(file: MemoryFile) => put(file, itemContent(file, 0), u32(3 * mebibyte)), 'ImageDamaged', 'BlockSize'],
    [(file: MemoryFile) => put(file, itemContent(file, 0), u32(512 * mebibyte)), 'ImageDamaged', 'BlockSize'],
    [(file: MemoryFile) => put(file, itemContent(file, 0), u32(0)), 'ImageDamaged', 'BlockSize'],
    [(file: MemoryFile) => put(file, itemContent(file, 0) + 4, u32(2)), 'ImageDamaged', 'parent locator'],
    [(file: MemoryFile) => put(file, itemContent(file, 1), Buffer.alloc(8, 0xff)), 'ImageDamaged', 'VirtualDiskSize'],
    [(file: MemoryFile) => put(file, itemContent(file, 1), u32(sizeBytes + 1)), 'ImageDamaged', 'VirtualDiskSize'],
    [(file: MemoryFile) => put(file, itemContent(file, 1) + 4, u32(4096)), 'ImageDamaged', 'Length of the BAT region'],
    [(file: MemoryFile) => put(file, itemContent(file, 2), u32(1024)), 'ImageDamaged', 'LogicalSectorSize'],
    [(file: MemoryFile) => put(file, itemContent(file, 3), u32(0)), 'ImageDamaged', 'PhysicalSectorSize'],
  ] as const) {
    const file = await markedDisk();
    change(file);
    await assertRefused(file, code, field);
  }
});

test('metadata: items of users, more than the start of the table holds', async () => {
  const file = await markedDisk();
  const known = file.peek(metadataOffset + 10, 2).readUInt16LE(0);
  const users = 300;
  const entries = Buffer.alloc(users * 32);
  for (let index = 0; index < users; index++) {
    entries.writeUInt32LE(index + 1, index * 32);
    entries.writeUInt32LE(1, index * 32 + 24);
  }
  put(file, metadataOffset + 32 + known * 32, entries);
  const count = Buffer.alloc(2);
  count.writeUInt16LE(known + users);
  put(file, metadataOffset + 10, count);
  assert.ok(await isMarked(file));
  // The last one becomes the one before it.
  put(file, metadataOffset + 32 + (known + users - 1) * 32, entries.subarray((users - 2) * 32, (users - 1) * 32));
  await assertRefused(file, 'ImageDamaged', 'metadata table');
});

test('BAT entries: reserved states and places outside the file are named when they are met', async () => {
  const entry = (state: number, offsetMebibytes: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE((offsetMebibytes << 20n) | BigInt(state));
    return bytes;
  };
  for (const bad of [
    entry(4, 5n),
    entry(5, 5n),
    entry(7, 5n),
    entry(6, 0n),
    entry(6, 1n),
    entry(6, 3n),
    entry(6, 2n ** 43n),
    entry(6, 1000n),
  ]) {
    const file = await markedDisk();
    put(file, batOffset + 8, bad);
    const layer = await openChain(file);
    assert.ok((await contentOf(layer, 0, 512)).equals(Buffer.alloc(512, 'marked ')), 'other blocks stay readable');
    for (const use of [
      () => contentOf(layer, mebibyte, 512),
      () => layer.write(Buffer.alloc(1), mebibyte),
      () => layer.zero(mebibyte, 1),
    ]) {
      await assert.rejects(use, about('ImageDamaged', 'BAT entry 1'));
    }
    const faults = await layer.check({ repair: true });
    assert.deepEqual(
      faults.map(({ severity, field, isRepaired }) => [severity, field, isRepaired]),
      [['error', 'BAT entry 1', false]],
    );
  }
});

test('check: blocks that lie over one another, and space that nobody uses', async () => {
  const file = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const layer = await openChain(file);
  await layer.write(Buffer.alloc(sizeBytes, 3), 0);
  await layer.close();
  const doubled = file.copy();
  put(doubled, batOffset + 8, doubled.peek(batOffset, 8));
  const [fault] = await (await openChain(frozen(doubled))).check({ repair: false });
  assert.deepEqual([fault?.severity, fault?.field], ['error', 'BAT entry 1']);
  await assert.rejects((await openChain(doubled)).compact({}), { code: 'ImageDamaged' });

  put(file, batOffset + 8, Buffer.alloc(8));
  const leaking = await openChain(file);
  const found = await leaking.check({ repair: true });
  assert.deepEqual(
    found.map(({ severity, isRepaired }) => [severity, isRepaired]),
    [['leak', true]],
  );
  assert.deepEqual(await leaking.check({ repair: false }), []);
  await leaking.close();
  const mended = await openChain(frozen(file));
  const expected = Buffer.concat([Buffer.alloc(mebibyte, 3), Buffer.alloc(mebibyte), Buffer.alloc(2 * mebibyte, 3)]);
  assert.ok((await contentOf(mended)).equals(expected));
});

test('a file that is open for reading is not changed', async () => {
  const layer = await openChain(frozen(await markedDisk()));
  for (const change of [
    () => layer.write(Buffer.alloc(1), 0),
    () => layer.zero(0, 1),
    () => layer.discard(0, 1),
    () => layer.compact({}),
    () => layer.resize(mebibyte, {}),
    () => layer.check({ repair: true }),
    () => layer.setParent(undefined),
  ]) {
    await assert.rejects(change, { code: 'PermissionDenied' });
  }
  await layer.flush();
  await layer.close();
});

test('ranges outside the disk', async () => {
  const layer = await openChain(await markedDisk());
  for (const [offset, length] of [
    [sizeBytes, 1],
    [-1, 1],
    [0, sizeBytes + 1],
    [Number.NaN, 1],
  ] as const) {
    await assert.rejects(() => layer.read(Buffer.alloc(length), offset), { code: 'InvalidArgument' });
    await assert.rejects(() => layer.write(Buffer.alloc(length), offset), { code: 'InvalidArgument' });
    await assert.rejects(() => layer.zero(offset, length), { code: 'InvalidArgument' });
  }
  await layer.close();
});
