import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import type { Extent } from '../../../../../engine/disks/disk.ts';
import { qcow2Driver } from '../../../../../engine/disks/qcow2/driver.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { assertClean, intoMemory, kibibyte, mebibyte, qemuImg } from './qemu.ts';

async function emptyImage(options: { parentName?: string; sizeBytes?: number } = {}): Promise<MemoryFile> {
  const file = new MemoryFile('/memory/image.qcow2');
  const { parentName, sizeBytes = mebibyte } = options;
  if (parentName === undefined) {
    await qcow2Driver.create({ file, virtualSizeBytes: sizeBytes });
  } else {
    const layer = await qcow2Driver.open({ file: await emptyImage({ sizeBytes }) });
    await qcow2Driver.create({ file, parent: { layer, relativePath: parentName } });
  }
  return file;
}

function patched(image: MemoryFile, offset: number, hex: string): MemoryFile {
  const file = image.copy();
  file.apply({ kind: 'write', offset, content: Buffer.from(hex, 'hex') });
  return file;
}

/** An image whose header names a parent as it is given, with whatever format. */
async function imageNaming(name: string, format: string | undefined): Promise<MemoryFile> {
  const file = await emptyImage();
  const extension = Buffer.alloc(format === undefined ? 8 : 32);
  if (format !== undefined) {
    extension.writeUInt32BE(0xe2792aca, 0);
    extension.writeUInt32BE(format.length, 4);
    extension.write(format, 8);
  }
  const nameOffset = 112 + extension.length;
  file.apply({ kind: 'write', offset: 112, content: Buffer.concat([extension, Buffer.from(name)]) });
  const place = Buffer.alloc(12);
  place.writeBigUInt64BE(BigInt(nameOffset), 0);
  place.writeUInt32BE(Buffer.byteLength(name), 8);
  return patched(file, 8, place.toString('hex'));
}

test("the parent's name and format are given as the image has them", async () => {
  for (const name of [
    'base.qcow2',
    '../elsewhere/base.img',
    '/abs/base.vhdx',
    'ü/名.raw',
    './a:b',
    'C:\\vm\\base.vhd',
  ]) {
    for (const [qemuName, format] of [
      ['raw', 'raw'],
      ['qcow2', 'qcow2'],
      ['vpc', 'vhd'],
      ['vhdx', 'vhdx'],
      ['vmdk', 'vmdk'],
    ]) {
      const layer = await qcow2Driver.open({ file: await imageNaming(name, qemuName) });
      assert.deepEqual(layer.parentReference, { paths: [name], format });
    }
  }
});

test('a parent without a format is never probed: it matches no layer, and nothing is read through it', async () => {
  const layer = await qcow2Driver.open({ file: await imageNaming('base.qcow2', undefined) });
  assert.deepEqual(layer.parentReference, { paths: ['base.qcow2'] });
  const parent = await qcow2Driver.open({ file: await emptyImage() });
  assert.deepEqual(
    layer.compareParent(parent).map(({ field, found }) => ({ field, found })),
    [{ field: 'backing file format', found: 'qcow2' }],
  );
  await assert.rejects(layer.read(Buffer.alloc(512), 0), { code: 'ParentMismatch' });
  await assert.rejects(layer.write(Buffer.alloc(100), 0), { code: 'ParentMismatch' });
});

test('a parent of another format than the image says is a difference', async () => {
  const layer = await qcow2Driver.open({ file: await imageNaming('base', 'raw') });
  const parent = await qcow2Driver.open({ file: await emptyImage() });
  assert.deepEqual(layer.compareParent(parent), [{ field: 'backing file format', expected: 'raw', found: 'qcow2' }]);
});

test('a parent that is no file is refused', async () => {
  for (const name of [
    'json:{"driver":"nbd","host":"example.org"}',
    'nbd:localhost:10809',
    'nbd+unix:///disk?socket=/tmp/s',
    'ssh://host/disk',
    'file:base.qcow2',
    'fat:rw:/etc',
  ]) {
    await assert.rejects(qcow2Driver.open({ file: await imageNaming(name, 'raw') }), {
      code: 'UnsupportedDisk',
    });
  }
  await assert.rejects(qcow2Driver.open({ file: await imageNaming('base', 'host_device') }), {
    code: 'UnsupportedDisk',
  });
  await assert.rejects(qcow2Driver.open({ file: await imageNaming('ba\0se', 'raw') }), { code: 'ImageDamaged' });
});

test('what the header may not say', async () => {
  const image = await emptyImage();
  const cases: [what: string, offset: number, hex: string, code: string, field: string][] = [
    ['another magic', 0, '514649fc', 'ImageDamaged', 'magic'],
    ['version 1', 4, '00000001', 'UnsupportedDisk', 'version'],
    ['version 4', 4, '00000004', 'UnsupportedDisk', 'version'],
    ['a name of 1,024 bytes', 8, '000000000000020000000400', 'ImageDamaged', 'backing_file_size'],
    ['a name behind the first cluster', 8, '000000000001000000000010', 'ImageDamaged', 'backing_file_offset'],
    ['clusters of 256 bytes', 20, '00000008', 'ImageDamaged', 'cluster_bits'],
    ['clusters of 4 MiB', 20, '00000016', 'ImageDamaged', 'cluster_bits'],
    ['a size beyond what can be counted', 24, 'ffffffffffffffff', 'ImageDamaged', 'size'],
    ['a size beyond the L1 table', 24, '0000010000000000', 'ImageDamaged', 'l1_size'],
    ['AES', 32, '00000001', 'UnsupportedDisk', 'crypt_method'],
    ['LUKS', 32, '00000002', 'UnsupportedDisk', 'crypt_method'],
    ['an L1 table of 64 MiB', 36, '00800000', 'ImageDamaged', 'l1_size'],
    ['an L1 table behind the end', 40, '0000000100000000', 'ImageDamaged', 'l1_table_offset'],
    ['an L1 table inside a cluster', 40, '0000000000030200', 'ImageDamaged', 'l1_table_offset'],
    ['a refcount table behind the end', 48, '0000000100000000', 'ImageDamaged', 'refcount_table_offset'],
    ['a refcount table of 16 MiB', 56, '00000100', 'ImageDamaged', 'refcount_table_clusters'],
    ['100,000 snapshots', 60, '000186a0', 'ImageDamaged', 'nb_snapshots'],
    ['snapshots behind the end', 60, '000000010000000100000000', 'ImageDamaged', 'snapshots_offset'],
    ['the corrupt bit', 72, '0000000000000002', 'ImageDamaged', 'incompatible_features'],
    ['an unknown incompatible bit', 72, '0000000000000020', 'UnsupportedDisk', 'incompatible_features'],
    ['the highest incompatible bit', 72, '8000000000000000', 'UnsupportedDisk', 'incompatible_features'],
    ['a compression type without its bit', 104, '01', 'ImageDamaged', 'compression_type'],
    ['refcounts of 128 bits', 96, '00000007', 'ImageDamaged', 'refcount_order'],
    ['a header of 96 bytes', 100, '00000060', 'ImageDamaged', 'header_length'],
    ['a header longer than its cluster', 100, '00020000', 'ImageDamaged', 'header_length'],
    ['an external data file that is not named', 72, '0000000000000004', 'ImageDamaged', 'external data file name'],
  ];
  for (const [what, offset, hex, code, field] of cases) {
    await assert.rejects(qcow2Driver.open({ file: patched(image, offset, hex) }), (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error && 'data' in error, what);
      assert.equal(error.code, code, what);
      assert.ok(typeof error.data === 'object' && error.data !== null, what);
      assert.equal(Reflect.get(error.data, 'field'), field, what);
      return true;
    });
  }
  for (const length of [0, 3, 71, 103]) {
    const cut = image.copy();
    cut.apply({ kind: 'truncate', sizeBytes: length });
    await assert.rejects(qcow2Driver.open({ file: cut }), { code: 'ImageDamaged' });
  }
});

test('an external data file is opened only by the rules of the caller', async () => {
  await withFolder(async (folder) => {
    const file = path.join(folder, 'image.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${folder}/data.img`, file, '1M');
    await assert.rejects(openFrom(file), { code: 'UnsupportedDisk' });
    const asked: string[] = [];
    const layer = await qcow2Driver.open({
      file: await openDiskFile(file, 'read'),
      openOther: (name) => {
        asked.push(name);
        return openDiskFile(name, 'read');
      },
    });
    assert.deepEqual(asked, [path.join(folder, 'data.img')]);
    await layer.close();
  });
});

async function openFrom(file: string): ReturnType<typeof qcow2Driver.open> {
  return qcow2Driver.open({ file: await openDiskFile(file, 'read') });
}

test('extents say where everything is', async () => {
  const parent = await qcow2Driver.open({ file: await emptyImage() });
  const file = new MemoryFile();
  await qcow2Driver.create({ file, blockBytes: 4096, parent: { layer: parent, relativePath: 'image.qcow2' } });
  const layer = await qcow2Driver.open({ file });
  layer.attachParent(parent);
  await layer.write(Buffer.alloc(8192, 1), 4096);
  await layer.zero(16384, 4096);
  await layer.zero(20480, 4096);
  const extents: Extent[] = [];
  for await (const extent of layer.extents(0, mebibyte)) {
    extents.push(extent);
  }
  const dataAt = extents[1]?.fileOffset ?? -1;
  assert.deepEqual(extents, [
    { offset: 0, length: 4096, state: 'parent' },
    { offset: 4096, length: 8192, state: 'data', fileOffset: dataAt },
    { offset: 12288, length: 4096, state: 'parent' },
    { offset: 16384, length: 8192, state: 'zero' },
    { offset: 24576, length: mebibyte - 24576, state: 'parent' },
  ]);
  await layer.flush();
  assert.ok(file.peek(dataAt, 8192).every((byte) => byte === 1));
  await assert.rejects(
    async () => {
      for await (const _ of layer.extents(0, mebibyte, AbortSignal.abort())) {
        // Never reached.
      }
    },
    { name: 'AbortError' },
  );
  await layer.close();
});

test('a disk of 64 TiB opens, maps and takes writes at its end, in little memory', async () => {
  const sizeBytes = 64 * 2 ** 40;
  const file = await emptyImage({ sizeBytes });
  const layer = await qcow2Driver.open({ file });
  const extents: Extent[] = [];
  for await (const extent of layer.extents(0, sizeBytes)) {
    extents.push(extent);
  }
  assert.deepEqual(extents, [{ offset: 0, length: sizeBytes, state: 'parent' }]);
  await layer.write(Buffer.from('the end'), sizeBytes - 7);
  const found = Buffer.alloc(7);
  await layer.read(found, sizeBytes - 7);
  assert.equal(found.toString(), 'the end');
  assert.deepEqual(await layer.check({ repair: false }), []);
  await layer.close();
  assert.ok(file.allocatedBytes < mebibyte, `${file.allocatedBytes} bytes in the file`);
});

test('a layer made by us is a clean image to QEMU, for every cluster size', async () => {
  await withFolder(async (folder) => {
    const base = path.join(folder, 'base.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', base, '5G');
    const parent = await openFrom(base);
    for (let clusterSize = 512; clusterSize <= 2 * mebibyte; clusterSize *= 2) {
      const file = path.join(folder, `child${clusterSize}.qcow2`);
      const created = await openDiskFile(file, 'create');
      await qcow2Driver.create({
        file: created,
        blockBytes: clusterSize,
        parent: { layer: parent, relativePath: 'base.qcow2' },
      });
      await created.close();
      await assertClean(file);
      const info: unknown = JSON.parse(await qemuImg('info', '--output=json', file));
      assert.ok(typeof info === 'object' && info !== null);
      assert.equal(Reflect.get(info, 'virtual-size'), 5 * 2 ** 30);
      assert.equal(Reflect.get(info, 'cluster-size'), clusterSize);
      assert.equal(Reflect.get(info, 'backing-filename'), 'base.qcow2');
      assert.equal(Reflect.get(info, 'backing-filename-format'), 'qcow2');
    }
    await parent.close();
  });
});

test('what cannot be made is refused', async () => {
  const create = (options: Omit<Parameters<typeof qcow2Driver.create>[0], 'file'>): Promise<void> =>
    qcow2Driver.create({ file: new MemoryFile(), ...options });
  await assert.rejects(create({}), { code: 'InvalidArgument' });
  await assert.rejects(create({ virtualSizeBytes: 1000 }), { code: 'InvalidArgument' });
  await assert.rejects(create({ virtualSizeBytes: mebibyte, blockBytes: 3000 }), { code: 'InvalidArgument' });
  await assert.rejects(create({ virtualSizeBytes: mebibyte, blockBytes: 4 * mebibyte }), { code: 'InvalidArgument' });
  await assert.rejects(create({ virtualSizeBytes: mebibyte, isFixed: true }), { code: 'InvalidArgument' });
  await assert.rejects(create({ virtualSizeBytes: 2 ** 40, blockBytes: 512 }), { code: 'InvalidArgument' });
});

test('a read-only image refuses every change and stays as it is', async () => {
  const image = await emptyImage();
  const layer = await qcow2Driver.open({ file: image.copy(undefined, true) });
  assert.equal(layer.isReadOnly, true);
  const other = await qcow2Driver.open({ file: image });
  for (const change of [
    () => layer.write(Buffer.alloc(512), 0),
    () => layer.zero(0, 512),
    () => layer.discard(0, 512),
    () => layer.resize(2 * mebibyte, {}),
    () => layer.compact({}),
    () => layer.check({ repair: true }),
    () => layer.setParent({ layer: other, relativePath: 'other.qcow2' }),
  ]) {
    await assert.rejects(change, { code: 'PermissionDenied' });
  }
  await layer.flush();
  await layer.close();
});

test('ranges outside the disk are refused', async () => {
  const layer = await qcow2Driver.open({ file: await emptyImage() });
  const buffer = Buffer.alloc(1024);
  for (const offset of [-1, mebibyte - 1023, mebibyte, 2 ** 60, 0.5]) {
    await assert.rejects(layer.read(buffer, offset), { code: 'InvalidArgument' });
    await assert.rejects(layer.write(buffer, offset), { code: 'InvalidArgument' });
    await assert.rejects(layer.zero(offset, 1024), { code: 'InvalidArgument' });
  }
  await layer.read(Buffer.alloc(0), mebibyte);
  await layer.close();
});

test('a write that fails leaves the content as it was, and what follows works', async () => {
  const image = await emptyImage();
  let isFull = false;
  class FullFile extends MemoryFile {
    override async write(buffer: Buffer, offset: number): Promise<void> {
      if (isFull) {
        throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      }
      await super.write(buffer, offset);
    }
  }
  const file = new FullFile(image.path, image.peek(0, image.sizeBytes));
  const layer = await qcow2Driver.open({ file });
  await layer.write(Buffer.alloc(100 * kibibyte, 1), 0);
  isFull = true;
  await assert.rejects(layer.write(Buffer.alloc(100 * kibibyte, 2), 300 * kibibyte), { code: 'ENOSPC' });
  await assert.rejects(layer.flush(), { code: 'ENOSPC' });
  isFull = false;
  await layer.write(Buffer.alloc(50 * kibibyte, 3), 600 * kibibyte);
  await layer.flush();
  assert.deepEqual(await layer.check({ repair: false }), []);
  await layer.close();
  const reopened = await qcow2Driver.open({ file: await intoCopy(file) });
  const content = Buffer.alloc(mebibyte);
  await reopened.read(content, 0);
  assert.ok(content.subarray(0, 100 * kibibyte).every((byte) => byte === 1));
  assert.ok(content.subarray(300 * kibibyte, 400 * kibibyte).every((byte) => byte === 0));
  assert.ok(content.subarray(600 * kibibyte, 650 * kibibyte).every((byte) => byte === 3));
});

async function intoCopy(file: MemoryFile): Promise<MemoryFile> {
  return file.copy();
}

test('a file cut short is damaged, not zero', async () => {
  await withFolder(async (folder) => {
    const onDisk = path.join(folder, 'image.qcow2');
    const raw = path.join(folder, 'content');
    await writeFile(raw, Buffer.alloc(mebibyte, 7));
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', raw, onDisk);
    const image = await intoMemory(onDisk);
    image.apply({ kind: 'truncate', sizeBytes: image.sizeBytes - 3 * 65536 });
    const layer = await qcow2Driver.open({ file: image });
    await assert.rejects(layer.read(Buffer.alloc(65536), mebibyte - 65536), { code: 'ImageDamaged' });
    await layer.read(Buffer.alloc(65536), 0);
  });
});
