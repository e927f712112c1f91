import assert from 'node:assert/strict';
import { mkdir, open, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { identifyImage } from '../../../../engine/disks/image-format.ts';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import { runProgram } from '../../../support/project.ts';
import { folderOf } from '../temporary-folder.ts';
import { cut, makeFilledImage, makeImage, mebibyte, patch, replaceEnd } from './made-images.ts';

const alone: [what: string, format: DiskFormat, create: string[]][] = [
  ['qcow2 version 2', 'qcow2', ['-o', 'compat=0.10']],
  ['qcow2 version 3', 'qcow2', ['-o', 'compat=1.1']],
  ['qcow2 with clusters of 512 bytes', 'qcow2', ['-o', 'cluster_size=512']],
  ['qcow2 with clusters of 2 MiB', 'qcow2', ['-o', 'cluster_size=2M']],
  ['qcow2 with zstd', 'qcow2', ['-o', 'compression_type=zstd']],
  ['qcow2 with extended L2 entries', 'qcow2', ['-o', 'extended_l2=on']],
  ['dynamic VHD', 'vhd', ['-o', 'subformat=dynamic']],
  ['fixed VHD', 'vhd', ['-o', 'subformat=fixed']],
  ['dynamic VHDX', 'vhdx', ['-o', 'subformat=dynamic']],
  ['fixed VHDX', 'vhdx', ['-o', 'subformat=fixed']],
  ['sparse VMDK', 'vmdk', ['-o', 'subformat=monolithicSparse']],
  ['stream-optimized VMDK', 'vmdk', ['-o', 'subformat=streamOptimized']],
];

for (const [what, format, options] of alone) {
  test(`${what} → ${format}, told by its content and not by its name`, async (context) => {
    const file = await makeFilledImage(await folderOf(context), 'disk.iso', format, options);
    const { size, mtimeMs } = await stat(file);
    assert.deepEqual(await identifyImage(file), { format, sizeBytes: size, modifiedMs: Math.floor(mtimeMs) });
  });
}

test('a fixed VHD with the footer of 511 bytes that Virtual PC wrote before 2004 → vhd', async (context) => {
  const file = await makeImage(await folderOf(context), 'disk', 'vhd', { create: ['-o', 'subformat=fixed'] });
  await cut(file, (await stat(file)).size - 1);
  assert.equal((await identifyImage(file)).format, 'vhd');
});

test('qcow2 with a backing file → depends on it, whatever it names', async (context) => {
  const folder = await folderOf(context);
  for (const backing of ['base.qcow2', '/etc/passwd', 'nbd://127.0.0.1:1/x', 'json:{"driver":"null-co"}']) {
    const file = await makeImage(folder, 'disk', 'qcow2', { backing: { file: backing, format: 'raw' } });
    assert.equal((await identifyImage(file)).dependsOn, backing);
  }
});

test('qcow2 with an external data file → depends on it', async (context) => {
  const folder = await folderOf(context);
  const file = await makeImage(folder, 'disk', 'qcow2', { create: ['-o', `data_file=${folder}/data`] });
  assert.equal((await identifyImage(file)).dependsOn, 'an external data file');
});

test('a VHD whose footer says differencing → depends on a parent, which QEMU would ignore', async (context) => {
  const file = await makeImage(await folderOf(context), 'disk', 'vhd');
  const { size } = await stat(file);
  const differencing = Buffer.alloc(4);
  differencing.writeUInt32BE(4);
  await patch(file, size - 512 + 60, differencing);
  assert.deepEqual(
    [(await identifyImage(file)).format, (await identifyImage(file)).dependsOn],
    ['vhd', 'a parent VHD'],
  );
});

test('a delta link VMDK → depends on a parent', async (context) => {
  const folder = await folderOf(context);
  await makeImage(folder, 'base', 'vmdk');
  const file = path.join(folder, 'delta');
  await runProgram('qemu-img', ['create', '-q', '-f', 'vmdk', '-F', 'vmdk', '-b', path.join(folder, 'base'), file]);
  assert.equal((await identifyImage(file)).dependsOn, 'a parent VMDK');
});

test('a VMDK that hides its parent behind the content id of none → depends on it: QEMU would open it', async (context) => {
  const file = await makeImage(await folderOf(context), 'disk', 'vmdk');
  const descriptor = (await readFile(file)).toString('latin1', 512, 21 * 512);
  assert.match(descriptor, /parentCID=ffffffff\n/);
  const hostile = descriptor.replace('parentCID=ffffffff\n', 'parentCID=ffffffff\nparentFileNameHint="/etc/passwd"\n');
  await patch(file, 512, Buffer.from(hostile, 'latin1').subarray(0, 20 * 512));
  assert.equal((await identifyImage(file)).dependsOn, 'a parent VMDK');
});

test('a VMDK whose embedded descriptor names other files → UnsupportedDisk: QEMU would open them', async (context) => {
  const file = await makeImage(await folderOf(context), 'disk', 'vmdk');
  await patch(file, 12, Buffer.alloc(8));
  await patch(file, 512, Buffer.from('# Disk DescriptorFile\nversion=1\nRW 3 FLAT "/etc/passwd" 0\n\0'));
  await assert.rejects(identifyImage(file), { name: 'CheckpointError', code: 'UnsupportedDisk' });
});

for (const subformat of ['monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat']) {
  test(`the descriptor of a ${subformat} VMDK → UnsupportedDisk`, async (context) => {
    const file = await makeImage(await folderOf(context), 'disk.vmdk', 'vmdk', {
      create: ['-o', `subformat=${subformat}`],
    });
    await assert.rejects(identifyImage(file), { code: 'UnsupportedDisk' });
  });
}

test('an encrypted qcow2 → UnsupportedDisk', async (context) => {
  const file = await makeImage(await folderOf(context), 'disk', 'qcow2');
  // crypt_method 2 is LUKS (QEMU docs/interop/qcow2.txt, "Header"); qemu-img itself measures CPU time for its key, and may fail.
  const image = await open(file, 'r+');
  await image.write(Buffer.of(0, 0, 0, 2), 0, 4, 32);
  await image.close();
  await assert.rejects(identifyImage(file), { code: 'UnsupportedDisk', message: /encrypted/ });
});

test('a VHD without its footer → ImageDamaged', async (context) => {
  const file = await makeImage(await folderOf(context), 'disk', 'vhd');
  await replaceEnd(file, 512, Buffer.alloc(0));
  await assert.rejects(identifyImage(file), { code: 'ImageDamaged', data: { path: file, field: 'footer' } });
});

test('a VHDX without its region tables → ImageDamaged', async (context) => {
  const file = await makeImage(await folderOf(context), 'disk', 'vhdx');
  await patch(file, 192 * 1024, Buffer.alloc(128 * 1024));
  await assert.rejects(identifyImage(file), { code: 'ImageDamaged' });
});

test('a VHDX with one region table left → still known', async (context) => {
  const file = await makeImage(await folderOf(context), 'disk', 'vhdx');
  await patch(file, 192 * 1024, Buffer.alloc(64 * 1024));
  assert.equal((await identifyImage(file)).format, 'vhdx');
});

test('a raw disk → only when told, whatever lies in it', async (context) => {
  const folder = await folderOf(context);
  const file = path.join(folder, 'disk.raw');
  await writeFile(file, Buffer.alloc(mebibyte));
  await assert.rejects(identifyImage(file), { code: 'NotADiskImage', message: /raw disk, say so/ });
  assert.equal((await identifyImage(file, 'raw')).format, 'raw');
  const qcow2 = await makeImage(folder, 'inner', 'qcow2', { backing: { file: '/etc/passwd', format: 'raw' } });
  await writeFile(file, (await readFile(qcow2)).subarray(0, 512));
  assert.deepEqual([(await identifyImage(file, 'raw')).format], ['raw']);
});

test('told raw, and no whole number of sectors → NotADiskImage', async (context) => {
  const file = path.join(await folderOf(context), 'disk.raw');
  await writeFile(file, Buffer.alloc(1000));
  await assert.rejects(identifyImage(file, 'raw'), { code: 'NotADiskImage' });
});

const noImages: [what: string, code: string, make: (file: string) => Promise<unknown>][] = [
  ['nothing', 'DiskNotFound', async () => undefined],
  ['an empty file', 'NotADiskImage', (file) => writeFile(file, '')],
  ['one byte', 'NotADiskImage', (file) => writeFile(file, 'Q')],
  ['a text', 'NotADiskImage', (file) => writeFile(file, 'hello\n'.repeat(1000))],
  ['a folder', 'NotADiskImage', (file) => mkdir(file)],
  ['a pipe that nobody writes to', 'NotADiskImage', (file) => runProgram('mkfifo', [file])],
  ['a link to a device', 'NotADiskImage', (file) => symlink('/dev/zero', file)],
  ['a link to itself', 'DiskNotFound', (file) => symlink(path.basename(file), file)],
  ['a link to nothing', 'DiskNotFound', (file) => symlink('nowhere', file)],
];
for (const [what, code, make] of noImages) {
  test(`${what} → ${code}, at once`, { timeout: 10_000 }, async (context) => {
    const file = path.join(await folderOf(context), 'disk');
    await make(file);
    for (const told of [undefined, 'raw'] as const) {
      await assert.rejects(identifyImage(file, told), { name: 'CheckpointError', code });
    }
  });
}

test('a path that no file can have → DiskNotFound', async (context) => {
  const folder = await folderOf(context);
  await assert.rejects(identifyImage(path.join(folder, 'x'.repeat(3000))), { code: 'DiskNotFound' });
  await writeFile(path.join(folder, 'file'), '');
  await assert.rejects(identifyImage(path.join(folder, 'file', 'inner')), { code: 'DiskNotFound' });
});

test('a raw disk of many terabytes → known without being read', { timeout: 5000 }, async (context) => {
  const file = path.join(await folderOf(context), 'disk');
  const handle = await open(file, 'w');
  await handle.truncate(2 ** 42);
  await handle.close();
  assert.equal((await identifyImage(file, 'raw')).sizeBytes, 2 ** 42);
  await assert.rejects(identifyImage(file), { code: 'NotADiskImage' });
});
