import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import { qcow2Driver } from '../../../../../engine/disks/qcow2/driver.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import {
  assertClean,
  assertSameContent,
  contentOf,
  intoMemory,
  kibibyte,
  mebibyte,
  ontoDisk,
  qemuCheck,
  qemuContent,
  qemuImg,
  qemuIo,
} from './qemu.ts';

const clusterSize = 4096;

/** An image in memory with 20 written clusters. */
async function writtenImage(options = `cluster_size=${clusterSize}`): Promise<{ image: MemoryFile; content: Buffer }> {
  return withFolder(async (folder) => {
    const file = path.join(folder, 'image.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', options, file, '1M');
    await qemuIo(file, [`write -P 5 0 ${20 * clusterSize}`]);
    return { image: await intoMemory(file), content: await qemuContent(file) };
  });
}

/** Offsets of the tables, from the header. */
function tablesOf(image: MemoryFile): { refcountBlock: number; l1Table: number; l2Table: number; firstData: number } {
  const u64 = (offset: number): number => Number(image.peek(offset, 8).readBigUInt64BE(0) & 0x00fffffffffffe00n);
  const l1Table = u64(40);
  const l2Table = u64(l1Table);
  return { refcountBlock: u64(u64(48)), l1Table, l2Table, firstData: u64(l2Table) };
}

function patch(image: MemoryFile, offset: number, hex: string): void {
  image.apply({ kind: 'write', offset, content: Buffer.from(hex, 'hex') });
}

/** Repairs, and has QEMU confirm that nothing is left to repair. */
async function assertRepaired(image: MemoryFile, content: Buffer): Promise<void> {
  const layer = await qcow2Driver.open({ file: image });
  const repaired = await layer.check({ repair: true });
  assert.ok(
    repaired.every((fault) => fault.isRepaired),
    JSON.stringify(repaired),
  );
  assert.deepEqual(await layer.check({ repair: false }), []);
  assertSameContent(await contentOf(layer), content, 'after the repair');
  await layer.write(Buffer.alloc(50_000, 7), 100);
  content.fill(7, 100, 50_100);
  await layer.close();
  await withFolder(async (folder) => {
    const file = path.join(folder, 'repaired.qcow2');
    await ontoDisk(image, file);
    await assertClean(file);
    assertSameContent(await qemuContent(file), content, 'written after the repair');
  });
}

test('a refcount that is too high is a leak → repair gives the cluster back', async () => {
  const { image, content } = await writtenImage();
  const { refcountBlock } = tablesOf(image);
  const free = Math.ceil(image.sizeBytes / clusterSize);
  patch(image, refcountBlock + free * 2, '00010001');
  const layer = await qcow2Driver.open({ file: image });
  assert.deepEqual(
    (await layer.check({ repair: false })).map(({ severity, field }) => ({ severity, field })),
    [{ severity: 'leak', field: 'refcount' }],
  );
  await layer.close();
  await assertRepaired(image, content);
});

for (const options of ['cluster_size=4k', 'cluster_size=4k,refcount_bits=1', 'cluster_size=4k,refcount_bits=64']) {
  test(`refcounts that are too low (${options}) → all are rebuilt, and the tables are where they were`, async () => {
    const { image, content } = await writtenImage(options);
    const { refcountBlock } = tablesOf(image);
    image.apply({ kind: 'punchHole', offset: refcountBlock, length: clusterSize });
    const layer = await qcow2Driver.open({ file: image.copy(undefined, true) });
    const faults = await layer.check({ repair: false });
    assert.ok(faults.length > 0 && faults.every(({ severity }) => severity === 'error'));
    await layer.close();
    await assertRepaired(image, content);
  });
}

test('a wrong COPIED flag → an error, mended', async () => {
  const { image, content } = await writtenImage();
  const { l2Table, firstData } = tablesOf(image);
  patch(image, l2Table, BigInt(firstData).toString(16).padStart(16, '0'));
  const layer = await qcow2Driver.open({ file: image });
  assert.deepEqual(
    (await layer.check({ repair: false })).map(({ severity, field }) => ({ severity, field })),
    [{ severity: 'error', field: 'COPIED' }],
  );
  await layer.close();
  await assertRepaired(image, content);
});

test('an entry that leads into a table → an error that repair does not touch', async () => {
  const { image } = await writtenImage();
  const { l2Table, l1Table } = tablesOf(image);
  patch(image, l2Table + 8, (BigInt(l1Table) | (1n << 63n)).toString(16).padStart(16, '0'));
  const before = image.peek(0, image.sizeBytes);
  const layer = await qcow2Driver.open({ file: image });
  const faults = await layer.check({ repair: true });
  assert.ok(faults.some(({ severity, message }) => severity === 'error' && message.includes('where a table is')));
  assert.ok(faults.every(({ isRepaired }) => !isRepaired));
  await layer.close();
  assert.ok(image.peek(0, before.length).equals(before));
});

test('the dirty bit: refcounts are rebuilt before the first write, reads need none of that', async () => {
  await withFolder(async (folder) => {
    const file = path.join(folder, 'image.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'lazy_refcounts=on,cluster_size=4k', file, '1M');
    // QEMU ends without closing the image: refcounts stay behind.
    await assert.rejects(qemuIo(file, [`write -P 9 0 ${100 * kibibyte}`, 'flush', 'sigraise 9']));
    const image = await intoMemory(file);
    const reading = await qcow2Driver.open({ file: image.copy(undefined, true) });
    assert.equal(reading.details['dirty'], true);
    const content = await contentOf(reading);
    assert.ok(content.subarray(0, 100 * kibibyte).every((byte) => byte === 9));
    await reading.close();

    const writing = await qcow2Driver.open({ file: await openDiskFile(file, 'write') });
    await writing.write(Buffer.alloc(3000, 4), 200 * kibibyte);
    content.fill(4, 200 * kibibyte, 200 * kibibyte + 3000);
    assert.equal(writing.details['dirty'], false);
    await writing.close();
    await assertClean(file);
    assertSameContent(await qemuContent(file), content, 'after the rebuild');
  });
});

test('a bitmap, which we do not maintain, is no longer trusted after our first write', async () => {
  await withFolder(async (folder) => {
    const file = path.join(folder, 'image.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', file, '1M');
    await qemuImg('bitmap', '--add', file, 'changes');
    await qemuIo(file, ['write -P 3 0 64k']);
    const reading = await qcow2Driver.open({ file: await openDiskFile(file, 'read') });
    assert.equal(reading.details['bitmaps'], true);
    assert.deepEqual(await reading.check({ repair: false }), []);
    await reading.close();

    const writing = await qcow2Driver.open({ file: await openDiskFile(file, 'write') });
    await writing.read(Buffer.alloc(512), 0);
    assert.equal(writing.details['bitmaps'], true);
    await writing.write(Buffer.alloc(512, 1), 0);
    assert.equal(writing.details['bitmaps'], false);
    await writing.close();
    assert.equal((await qemuCheck(file)).errors, 0);

    const repairing = await qcow2Driver.open({ file: await openDiskFile(file, 'write') });
    const faults = await repairing.check({ repair: true });
    assert.ok(faults.length > 0 && faults.every(({ severity, isRepaired }) => severity === 'leak' && isRepaired));
    await repairing.close();
    await assertClean(file);
  });
});

test('check of a file that a call is writing to counts what has been written', async () => {
  const file = new MemoryFile();
  await qcow2Driver.create({ file, virtualSizeBytes: 8 * mebibyte });
  const layer = await qcow2Driver.open({ file });
  const writes = Array.from({ length: 40 }, (_, index) => layer.write(Buffer.alloc(100_000, index), index * 90_000));
  assert.deepEqual(await layer.check({ repair: false }), []);
  await Promise.all(writes);
  assert.deepEqual(await layer.check({ repair: true }), []);
  await layer.close();
});

test('marked corrupt → read and checked, the mark is told; nothing is written to it', async () => {
  const { image, content } = await writtenImage();
  patch(image, 72, '0000000000000002');
  const layer = await qcow2Driver.open({ file: image.copy(image.path, true) });
  assertSameContent(await contentOf(layer), content, 'marked corrupt');
  assert.deepEqual(
    (await layer.check({ repair: false })).map(({ severity, field }) => [severity, field]),
    [['error', 'incompatible_features']],
  );
  assert.equal(layer.details['corrupt'], true);
  await assert.rejects(qcow2Driver.open({ file: image }), { code: 'ImageDamaged', message: /disk convert/ });
});
