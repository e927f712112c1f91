import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { readQcow2Header, type Qcow2Header } from '../../../../../engine/disks/qcow2/header.ts';
import { folderOf } from '../../temporary-folder.ts';
import { cut, makeImage, mebibyte, patch } from '../made-images.ts';

async function headerOf(file: string): Promise<Qcow2Header> {
  const handle = await open(file, 'r');
  try {
    return await readQcow2Header(handle, file);
  } finally {
    await handle.close();
  }
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

function u64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(value);
  return buffer;
}

test('version, cluster size and virtual size as they were asked for', async (context) => {
  const folder = await folderOf(context);
  for (const [version, compat] of [
    [2, '0.10'],
    [3, '1.1'],
  ] as const) {
    for (const clusterSize of [512, 65536, 2 * mebibyte]) {
      const file = await makeImage(folder, 'disk', 'qcow2', {
        create: ['-o', `compat=${compat},cluster_size=${clusterSize}`],
        sizeBytes: 7 * mebibyte,
      });
      const header = await headerOf(file);
      assert.deepEqual(
        [header.version, header.clusterSize, header.virtualSizeBytes, header.backingFile],
        [version, clusterSize, 7 * mebibyte, undefined],
      );
    }
  }
});

test("backing file and its format as they were written, in any script and at QEMU's longest", async (context) => {
  const folder = await folderOf(context);
  for (const name of ['base.qcow2', 'Größe, 中文: 100%.qcow2', 'x'.repeat(1023)]) {
    const file = await makeImage(folder, 'disk', 'qcow2', { backing: { file: name, format: 'vhd' } });
    const { backingFile, backingFormat } = await headerOf(file);
    assert.deepEqual([backingFile, backingFormat], [name, 'vpc']);
  }
});

const damages: [what: string, offset: number, bytes: Buffer, code: string, field: string][] = [
  ['version 1', 4, u32(1), 'UnsupportedDisk', 'version'],
  ['version 4', 4, u32(4), 'UnsupportedDisk', 'version'],
  ['clusters of 256 bytes', 20, u32(8), 'ImageDamaged', 'cluster_bits'],
  ['clusters of 4 MiB', 20, u32(22), 'ImageDamaged', 'cluster_bits'],
  ['clusters of no number', 20, u32(0xffffffff), 'ImageDamaged', 'cluster_bits'],
  ['a size of 16 EiB', 24, u64(2n ** 64n - 1n), 'ImageDamaged', 'size'],
  ['encryption', 32, u32(2), 'UnsupportedDisk', 'crypt_method'],
  ['features of the future', 72, u64(1n << 40n), 'UnsupportedDisk', 'incompatible_features'],
  ['the mark of a corrupt image', 72, u64(2n), 'ImageDamaged', 'incompatible_features'],
  ['a backing file without a length', 16, u32(0), 'ImageDamaged', 'backing_file_size'],
  ['a backing file of 1024 bytes', 16, u32(1024), 'ImageDamaged', 'backing_file_size'],
  ['a backing file of 4 GiB', 16, u32(0xffffffff), 'ImageDamaged', 'backing_file_size'],
  ['a backing file outside the first cluster', 8, u64(65530n), 'ImageDamaged', 'backing_file_offset'],
  ['a backing file beyond everything', 8, u64(2n ** 64n - 4n), 'ImageDamaged', 'backing_file_offset'],
  ['a header extension of 4 GiB', 108 + 8, u32(0xffffffff), 'ImageDamaged', 'header extension length'],
];

for (const [what, offset, bytes, code, field] of damages) {
  test(`${what} → ${code}, naming ${field}`, async (context) => {
    const file = await makeImage(await folderOf(context), 'disk', 'qcow2', {
      backing: { file: 'base.qcow2', format: 'qcow2' },
    });
    // The header of a version 3 image is 112 bytes long; its first extension's length lies 4 bytes further.
    await patch(file, field === 'header extension length' ? 112 + 4 : offset, bytes);
    await assert.rejects(headerOf(file), (error: Error & { data?: unknown }) => {
      assert.deepEqual({ name: error.name, code: 'code' in error && error.code }, { name: 'CheckpointError', code });
      assert.match(JSON.stringify(error.data), new RegExp(`"field":"${field}"`));
      return true;
    });
  });
}

test('a zero byte in the backing file name → ImageDamaged', async (context) => {
  const file = await makeImage(await folderOf(context), 'disk', 'qcow2', {
    backing: { file: 'base.qcow2', format: 'qcow2' },
  });
  const handle = await open(file, 'r');
  const offset = Buffer.alloc(8);
  await handle.read(offset, 0, 8, 8);
  await handle.close();
  await patch(file, Number(offset.readBigUInt64BE()) + 2, Buffer.alloc(1));
  await assert.rejects(headerOf(file), { code: 'ImageDamaged', message: /zero byte/ });
});

test('a file that ends inside the header → ImageDamaged', async (context) => {
  const file = await makeImage(await folderOf(context), 'disk', 'qcow2');
  for (const length of [103, 72, 71, 8, 4]) {
    await cut(file, length);
    await assert.rejects(headerOf(file), { code: 'ImageDamaged' }, `${length} bytes`);
  }
});
