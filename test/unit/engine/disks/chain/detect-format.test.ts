import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { detectFormat } from '../../../../../engine/disks/detect-format.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { runProgram } from '../../../../support/project.ts';

const mib = 1024 * 1024;
const xz = Buffer.from('fd377a585a000004e6d6b446', 'hex');

async function made(format: string, options = ''): Promise<Buffer> {
  return withFolder(async (folder) => {
    // A name that would tell something else.
    const file = path.join(folder, 'disk.iso');
    await runProgram('qemu-img', [
      'create',
      '-q',
      '-f',
      format,
      ...(options === '' ? [] : ['-o', options]),
      file,
      '4M',
    ]);
    return readFile(file);
  });
}

function detected(content: Buffer): Promise<string> {
  return detectFormat(new MemoryFile('/memory/disk.iso', content));
}

test('the content tells the format', async () => {
  assert.equal(await detected(await made('qcow2')), 'qcow2');
  assert.equal(await detected(await made('vhdx')), 'vhdx');
  assert.equal(await detected(await made('vmdk')), 'vmdk');
  assert.equal(await detected(await made('vpc', 'subformat=fixed')), 'vhd');
  assert.equal(await detected(await made('vpc', 'subformat=dynamic')), 'vhd');
  assert.equal(await detected(Buffer.from('# Disk DescriptorFile\nversion=1\n')), 'vmdk');
});

test('a VHD is known by its footer of 511 bytes, and a dynamic one by either copy', async () => {
  const fixed = await made('vpc', 'subformat=fixed');
  assert.equal(await detected(fixed.subarray(0, fixed.length - 1)), 'vhd');
  const dynamic = await made('vpc', 'subformat=dynamic');
  assert.equal(await detected(dynamic.subarray(0, dynamic.length - 512)), 'vhd');
  assert.equal(await detected(Buffer.concat([Buffer.alloc(512), dynamic.subarray(512)])), 'vhd');
});

test('a fixed VHD whose guest wrote another image into it is not mistaken for that', async () => {
  const fixed = Buffer.from(await made('vpc', 'subformat=fixed'));
  (await made('qcow2')).copy(fixed);
  await assert.rejects(detected(fixed), { code: 'UnsupportedDisk' });
  // Half a footer at the end of an image proves nothing.
  const qcow2 = Buffer.concat([await made('qcow2'), Buffer.alloc(512)]);
  qcow2.write('conectix', qcow2.length - 512);
  assert.equal(await detected(qcow2), 'qcow2');
});

test('anything else is no image: a raw disk has to be named one', async () => {
  for (const content of [
    Buffer.alloc(0),
    Buffer.alloc(1),
    Buffer.alloc(mib),
    Buffer.from('QFI'),
    Buffer.alloc(511, 7),
  ]) {
    await assert.rejects(detected(content), { code: 'NotADiskImage' });
  }
});

test('what is taken for a disk by its name is named, and what to do with it', async () => {
  const tar = Buffer.alloc(1024);
  tar.write('ustar', 257);
  const vdi = Buffer.alloc(1024);
  vdi.writeUInt32LE(0xbeda107f, 64);
  for (const [content, what] of [
    [xz, /xz. Unpack/],
    [gzipSync(await made('qcow2')), /gzip. Unpack/],
    [tar, /OVA/],
    [vdi, /VDI/],
    [Buffer.from('COWD\x01\0\0\0', 'latin1'), /Open the descriptor/],
    [Buffer.from('LUKS\xba\xbe\0\x01', 'latin1'), /LUKS/],
  ] as const) {
    await assert.rejects(detected(content), { code: 'NotADiskImage', message: what });
  }
  // A fixed VHD is one, whatever its guest begins it with.
  const fixed = Buffer.from(await made('vpc', 'subformat=fixed'));
  xz.copy(fixed);
  assert.equal(await detected(fixed), 'vhd');
});
