import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { CheckpointError } from '../../../../../engine/model/checkpoint-error.ts';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { vmdkDriver } from '../../../../../engine/disks/vmdk/driver.ts';
import { taggedContent } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { openHostile } from '../../../../support/disks/mutate.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { descriptor, field, Folder, MiB, patched, sector, sparse, stream, u32, u64 } from './made-images.ts';

const random = seededRandom();

async function readAll(layer: Layer): Promise<void> {
  const buffer = Buffer.alloc(MiB);
  for (let at = 0; at < layer.virtualSizeBytes; at += MiB) {
    await layer.read(buffer, at);
  }
}

async function refused(file: MemoryFile, code: string, name: RegExp): Promise<void> {
  await assert.rejects(
    async () => readAll(await vmdkDriver.open({ file })),
    (error: unknown) => {
      assert.ok(error instanceof CheckpointError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(String(error.data['field']), name);
      return true;
    },
  );
}

test('each field of the header out of its bounds → refused by its name', async () => {
  const image = await sparse();
  const size = BigInt(image.sizeBytes / sector);
  for (const [name, content, code] of [
    ['version', u32(4), 'UnsupportedDisk'],
    ['version', u32(0), 'UnsupportedDisk'],
    ['flags', u32(0x13), 'UnsupportedDisk'],
    ['capacity', u64(2n ** 63n), 'ImageDamaged'],
    ['capacity', u64(2n ** 37n + 1n), 'ImageDamaged'],
    ['grainSize', u64(0n), 'ImageDamaged'],
    ['grainSize', u64(96n), 'ImageDamaged'],
    ['grainSize', u64(2n ** 40n), 'ImageDamaged'],
    ['descriptorOffset', u64(2n ** 50n), 'ImageDamaged'],
    ['descriptorSize', u64(0n), 'ImageDamaged'],
    ['descriptorSize', u64(2049n), 'ImageDamaged'],
    ['numGTEsPerGT', u32(0), 'ImageDamaged'],
    ['numGTEsPerGT', u32(513), 'ImageDamaged'],
    ['rgdOffset', u64(size), 'ImageDamaged'],
    ['gdOffset', u64(0n), 'ImageDamaged'],
    ['gdOffset', u64(2n ** 60n), 'ImageDamaged'],
    ['overHead', u64(size + 1n), 'ImageDamaged'],
    ['compressAlgorithm', Buffer.from([1, 0]), 'UnsupportedDisk'],
  ] as const) {
    await refused(patched(image, field[name], content), code, new RegExp(`^${name}$`));
  }
  await refused(patched(image, field.endLineChars, Buffer.from('\r\n \r')), 'ImageDamaged', /EndLineChar/);
  // A capacity that the directory has no room for in the file.
  await refused(patched(image, field.capacity, u64(2n ** 37n)), 'ImageDamaged', /^gdOffset$/);
});

test('directory and table entries that lead out of the file → refused when they are read', async () => {
  const image = await sparse();
  const gd = Number(image.peek(field.gdOffset, 8).readBigUInt64LE()) * sector;
  const table = image.peek(gd, 4).readUInt32LE() * sector;
  await refused(patched(image, gd + 4, u32(0xffffffff)), 'ImageDamaged', /^grain directory entry 1$/);
  await refused(patched(image, table + 8, u32(0xfffffff0)), 'ImageDamaged', /^grain table 0, entry 2$/);
  const damaged = await vmdkDriver.open({ file: patched(image, table + 8, u32(0xfffffff0)) });
  const other = Buffer.alloc(1000);
  await damaged.read(other, 3 * MiB);
  assert.ok(other.equals(taggedContent(3 * MiB, 1000, 3 * MiB + 1)), 'the rest can still be read');
});

test('check finds entries out of the file, grains used twice, and a redundant table that differs', async () => {
  const image = await sparse();
  const gd = Number(image.peek(field.gdOffset, 8).readBigUInt64LE()) * sector;
  const table = image.peek(gd, 4).readUInt32LE() * sector;
  const first = image.peek(table, 4);
  for (const [offset, content, message] of [
    [gd + 4, u32(0xffffffff), /beyond the end/],
    [table + 40, u32(0xfffffff0), /no grain can be/],
    [table + 40, u32(2), /no grain can be/],
    [table + 40, first, /another part of the disk/],
    [table, u32(0), /redundant grain table differs/],
  ] as const) {
    const layer = await vmdkDriver.open({ file: patched(image, offset, content) });
    const faults = await layer.check({ repair: false });
    assert.ok(
      faults.some((fault) => message.test(fault.message) && fault.severity === 'error'),
      `${message.source}: ${JSON.stringify(faults)}`,
    );
  }
});

test('compressed grains: wrong place, wrong length, no deflate, too long → refused', async () => {
  const image = await stream();
  const size = image.sizeBytes;
  const footer = size - 1024;
  const gd = Number(image.peek(footer + field.gdOffset, 8).readBigUInt64LE()) * sector;
  const table = image.peek(gd, 4).readUInt32LE() * sector;
  const grain = image.peek(table + 16 * 4, 4).readUInt32LE() * sector;
  await refused(patched(image, grain, u64(77n)), 'ImageDamaged', /^grain at byte 1048576$/);
  await refused(patched(image, grain + 8, u32(0)), 'ImageDamaged', /^grain at byte 1048576$/);
  await refused(patched(image, grain + 8, u32(2 ** 31)), 'ImageDamaged', /^grain at byte 1048576$/);
  await refused(patched(image, grain + 12, Buffer.alloc(20, 0xff)), 'ImageDamaged', /^grain at byte 1048576$/);
  const bomb = deflateSync(Buffer.alloc(2 * MiB));
  const bombed = patched(image, grain + 8, u32(bomb.length));
  bombed.apply({ kind: 'write', offset: grain + 12, content: bomb });
  await refused(bombed, 'ImageDamaged', /^grain at byte 1048576$/);
});

test('a stream that was cut short → refused for its footer', async () => {
  const image = await stream();
  for (const lost of [1, 512, 1024, 1536, image.sizeBytes - 600]) {
    const file = image.copy();
    file.apply({ kind: 'truncate', sizeBytes: image.sizeBytes - lost });
    await refused(file, 'ImageDamaged', /^footer$/);
  }
});

test('a file that ends inside its last grain → the read is refused, and check tells it', async () => {
  const image = await sparse();
  image.apply({ kind: 'truncate', sizeBytes: image.sizeBytes - 1 });
  await refused(image, 'ImageDamaged', /^grain /);
  const faults = await (await vmdkDriver.open({ file: image })).check({ repair: false });
  assert.match(faults.map(({ message }) => message).join(), /ends inside the grain/);
});

test('an extent of a split disk, opened by itself → says to open the descriptor', async () => {
  const image = await sparse();
  const place = Number(image.peek(field.descriptorOffset, 8).readBigUInt64LE()) * sector;
  // As QEMU makes them: room for a descriptor, and none in it.
  await refused(patched(image, place, Buffer.alloc(sector)), 'UnsupportedDisk', /^descriptorOffset$/);
  await refused(patched(await sparse(), field.descriptorOffset, u64(0n)), 'UnsupportedDisk', /^descriptorOffset$/);
});

test('extents: flat from an offset, zero, sparse → one disk; all are closed with it', async () => {
  const folder = new Folder();
  const flat = taggedContent(0, 10 * sector, 7);
  folder.files.set('/memory/flat', new MemoryFile('/memory/flat', flat));
  folder.files.set('/memory/sparse', await sparse());
  const file = descriptor(
    'RW 4 FLAT "flat" 3',
    'RW 5 ZERO',
    `RW ${(70 * MiB) / sector} SPARSE "sparse"`,
    'RW 3 VMFS "flat"',
  );
  const layer = await vmdkDriver.open({ file, openOther: folder.open });
  assert.equal(layer.virtualSizeBytes, 12 * sector + 70 * MiB);
  const found = Buffer.alloc(11 * sector);
  await layer.read(found, 0);
  const expected = Buffer.concat([
    flat.subarray(3 * sector, 7 * sector),
    Buffer.alloc(5 * sector),
    taggedContent(0, 2 * sector, 1),
  ]);
  assert.ok(found.equals(expected));
  const end = Buffer.alloc(3 * sector);
  await layer.read(end, layer.virtualSizeBytes - end.length);
  assert.ok(end.equals(flat.subarray(0, 3 * sector)));
  await layer.close();
  await layer.close();
  assert.deepEqual([folder.opened, folder.closed], [3, 3]);
});

test('extents that do not hold what the descriptor says, or may not be opened → refused, and nothing stays open', async () => {
  const folder = new Folder();
  folder.files.set('/memory/flat', new MemoryFile('/memory/flat', Buffer.alloc(10 * sector)));
  folder.files.set('/memory/sparse', await sparse());
  for (const [extent, code] of [
    ['RW 11 FLAT "flat" 0', 'ImageDamaged'],
    ['RW 10 FLAT "flat" 1', 'ImageDamaged'],
    ['RW 10 SPARSE "flat"', 'NotADiskImage'],
    ['RW 999999 SPARSE "sparse"', 'ImageDamaged'],
    ['RW 10 FLAT "gone" 0', 'DiskNotFound'],
    ['RW 10 FLAT "../flat" 0', 'ParentNotAllowed'],
  ] as const) {
    const file = descriptor('RW 10 FLAT "flat" 0', extent);
    await assert.rejects(vmdkDriver.open({ file, openOther: folder.open }), { code }, extent);
  }
  assert.equal(folder.opened, folder.closed);
  await assert.rejects(vmdkDriver.open({ file: descriptor('RW 10 FLAT "flat" 0') }), { code: 'ParentNotAllowed' });
  await assert.rejects(vmdkDriver.open({ file: descriptor() }), { code: 'ImageDamaged' });
});

test('hostile sizes in a file of a few bytes → refused at once', async () => {
  const image = await sparse();
  for (const [offset, content] of [
    [field.capacity, u64(2n ** 36n)],
    [field.grainSize, u64(8n)],
  ] as const) {
    await openHostile(vmdkDriver, patched(image, offset, content), { random });
  }
});
