import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { vhdDriver } from '../../../../../engine/disks/vhd/driver.ts';
import { unpackSharedImage, withoutSharedImages } from '../../../../support/shared-images.ts';
import { folderOf } from '../../temporary-folder.ts';
import { contentOf, extentsOf } from './vhd-images.ts';

const skip = { skip: withoutSharedImages };

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

async function openImage(name: string, folder: string): Promise<Layer> {
  return vhdDriver.open({ file: await openDiskFile(await unpackSharedImage(name, folder), 'read') });
}

test('a fixed disk by Windows → its content, and no faults', skip, async (context) => {
  const disk = await openImage('fat-parent.vhd', await folderOf(context));
  assert.equal(disk.virtualSizeBytes, 4194304);
  assert.equal(sha256(await contentOf(disk)), 'bbdb657bc5aa2fde44e2456149f9257a862cb84f4668e338b90e357b0fbdf118');
  assert.deepEqual(await disk.check({ repair: false }), []);
  await disk.close();
});

test('a dynamic disk by qemu-img → its content', skip, async (context) => {
  const disk = await openImage('dfvfs-ext2.vhd', await folderOf(context));
  assert.equal(disk.virtualSizeBytes, 4212736);
  assert.equal(sha256(await contentOf(disk)), '870be7ae16c1fa8faab05c6eb9205dc9a7ae35c5f552c5cf8a267c0bc6a5cb99');
  assert.deepEqual(await disk.check({ repair: false }), []);
  await disk.close();
});

test(
  'a differencing disk by Windows → its parent is named, verified, and shows in every sector whose bit is clear',
  skip,
  async (context) => {
    const folder = await folderOf(context);
    const parent = await openImage('fat-parent.vhd', folder);
    const child = await openImage('fat-differential.vhd', folder);
    assert.deepEqual(child.parentReference, { paths: ['./fat-parent.vhd', 'fat-parent.vhd'], format: 'vhd' });
    assert.deepEqual(child.compareParent(parent), []);
    child.attachParent(parent);
    const content = await contentOf(child);
    const parentContent = await contentOf(parent);

    // The bitmap's bytes for sectors 184–191 are 0xcb: 186, 187 and 189 are the parent's. 186 holds the 12 bytes of
    // WPSettings.dat, which the directory in sector 184 names with that length.
    assert.deepEqual(content.subarray(186 * 512, 187 * 512), parentContent.subarray(186 * 512, 187 * 512));
    assert.equal(content.toString('hex', 186 * 512, 186 * 512 + 4), '0c000000');
    assert.equal(sha256(content), 'f4b61a33ee2f7e8c19f737792a4107e46340026a9a829e4169b751901cc3ef02');

    // The hash in the folder's README is libvhdi's, which does not look at a bit alone: a clear one that follows a set one
    // in the same byte counts as set (libvhdi_block_descriptor.c, `byte_value >> ( 7 - bit_index )`). One sector differs.
    const asLibvhdi = Buffer.from(content);
    const block = (await extentsOf(child)).find((extent) => extent.state === 'data');
    const dataStart = (block?.fileOffset ?? 0) - (block?.offset ?? 0);
    await child.file.read(asLibvhdi.subarray(186 * 512, 187 * 512), dataStart + 186 * 512);
    assert.equal(sha256(asLibvhdi), '79f1d5f809a97916a61cb0d6f0e6c42665cb92eb7cb410eeb5d599c06e46f177');
    assert.deepEqual(await child.check({ repair: false }), []);
    await child.close();
    await parent.close();
  },
);

test('a disk by Virtual PC → the size of its geometry, not the current size', skip, async (context) => {
  const disk = await openImage('qemu-virtualpc-dynamic.vhd', await folderOf(context));
  assert.equal(disk.virtualSizeBytes, 136363130880);
  assert.equal(disk.details['current_size'], 136365211648);
  assert.deepEqual(await extentsOf(disk), [{ offset: 0, length: 136363130880, state: 'zero' }]);
  assert.deepEqual(await disk.check({ repair: false }), []);
  await disk.close();
});
