import assert from 'node:assert/strict';
import { copyFile, readFile, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { vhdxDriver } from '../../../../../engine/disks/vhdx/driver.ts';
import { unpackSharedImage, withoutSharedImages } from '../../../../support/shared-images.ts';
import { folderOf } from '../../temporary-folder.ts';
import { hashOf } from './vhdx-content.ts';
import { about } from './vhdx-files.ts';

const skip = withoutSharedImages;

async function openFile(file: string, access: 'read' | 'write' = 'read'): Promise<Layer> {
  return vhdxDriver.open({ file: await openDiskFile(file, access) });
}

for (const [name, madeBy, sizeBytes, sha256] of [
  ['fat-parent.vhdx', 'Windows 10', 4194304, '2d1954fec68faefe81dd3687282a9b387bf8417f6d2cf0da3825fa1445b64cfb'],
  [
    'qemu-iotest-dynamic-1G.vhdx',
    'Windows Server 2012',
    1073741824,
    'd3d112d8dab7fd360609f7d5a7b769904b7a2a7d7b6b8c535f65a23293c05478',
  ],
  ['dfvfs-ext2.vhdx', 'QEMU 5.2', 4194304, 'a6c2f0e39afe6c6ab432ca5465349fcefe8dc944398e97b2d957d3f89dbb5d80'],
] as const) {
  test(`${name} of ${madeBy}: its content, and no faults`, { skip }, async (context) => {
    const layer = await openFile(await unpackSharedImage(name, await folderOf(context)));
    assert.equal(layer.virtualSizeBytes, sizeBytes);
    assert.equal(await hashOf(layer), sha256);
    assert.deepEqual(
      (await layer.check({ repair: false })).filter(({ severity }) => severity === 'error'),
      [],
    );
    await layer.close();
  });
}

test('fat-differential.vhdx of Windows 10: a partially present block on its parent', { skip }, async (context) => {
  const folder = await folderOf(context);
  const parent = await openFile(await unpackSharedImage('fat-parent.vhdx', folder));
  const child = await openFile(await unpackSharedImage('fat-differential.vhdx', folder));
  assert.deepEqual(child.parentReference, { paths: ['./fat-parent.vhdx'], format: 'vhdx' });
  // Windows writes the absolute path without the \\?\ of the specification.
  assert.equal(child.details['absolute_win32_path'], 'C:\\Projects\\dfvfs\\test_data\\fat-parent.vhdx');
  assert.deepEqual(child.compareParent(parent), []);
  child.attachParent(parent);
  assert.equal(await hashOf(child), 'a538161f34bc44c12bf9a542ce9218741c62728723ea18d0e4f6ea92e9f32e93');
  assert.deepEqual(await child.check({ repair: false }), []);
  await child.close();
  await parent.close();
});

const dirty = 'qemu-iotest-dirtylog-10G-4M.vhdx';
const dirtyHash = '179cefe8b0587f123393eedf2aa7aa8d25798591178e6bc3950a09762f38f96f';

test(`${dirty}: the log is replayed in memory, and the file stays as it is`, { skip }, async (context) => {
  const file = await unpackSharedImage(dirty, await folderOf(context));
  const before = await readFile(file);
  const layer = await openFile(file);
  assert.equal(layer.virtualSizeBytes, 10737418240);
  assert.equal(await hashOf(layer), dirtyHash);
  await layer.close();
  assert.ok(before.equals(await readFile(file)));
});

test(`${dirty}: the log is replayed on the file, which needs none afterwards`, { skip }, async (context) => {
  const folder = await folderOf(context);
  const file = await unpackSharedImage(dirty, folder);
  const readOnly = await openFile(file);
  const before = await readFile(file);
  const layer = await openFile(file, 'write');
  await layer.close();
  const after = await openFile(file);
  assert.equal(after.details['LogGuid'], '00000000-0000-0000-0000-000000000000');
  assert.notEqual(after.identity['FileWriteGuid'], readOnly.identity['FileWriteGuid']);
  assert.equal(after.identity['DataWriteGuid'], readOnly.identity['DataWriteGuid']);
  // Wherever the content was before the replay, it is the same; so a few places tell as much as all of them.
  const data: { offset: number; length: number }[] = [];
  for await (const extent of after.extents(0, after.virtualSizeBytes)) {
    if (extent.state === 'data') {
      data.push(extent);
    }
  }
  const copy = path.join(folder, 'copy.vhdx');
  await copyFile(file, copy);
  assert.ok(data.length > 0 && !before.equals(await readFile(file)));
  const inMemory = await openFile(await unpackSharedImage(dirty, folder));
  for (const { offset, length } of data) {
    const [one, other] = [Buffer.alloc(length), Buffer.alloc(length)];
    await after.read(one, offset);
    await inMemory.read(other, offset);
    assert.ok(one.equals(other));
  }
});

test(`${dirty}, cut off below FlushedFileOffset: refused`, { skip }, async (context) => {
  const file = await unpackSharedImage(dirty, await folderOf(context));
  await truncate(file, (await stat(file)).size - 1024 * 1024);
  await assert.rejects(openFile(file), about('ImageDamaged', 'FlushedFileOffset'));
});
