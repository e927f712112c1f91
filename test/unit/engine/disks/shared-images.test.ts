import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identifyImage } from '../../../../engine/disks/image-format.ts';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import { unpackSharedImage, withoutSharedImages } from '../../../support/shared-images.ts';
import { folderOf } from '../temporary-folder.ts';

const images: [name: string, madeBy: string, format: DiskFormat, dependsOn?: string][] = [
  ['fat-parent.vhd', 'Windows 10', 'vhd'],
  ['fat-differential.vhd', 'Windows 10', 'vhd', 'a parent VHD'],
  ['fat-parent.vhdx', 'Windows 10', 'vhdx'],
  ['fat-differential.vhdx', 'Windows 10', 'vhdx', 'a parent VHDX'],
  ['qemu-iotest-dynamic-1G.vhdx', 'Windows Server 2012', 'vhdx'],
  ['qemu-iotest-dirtylog-10G-4M.vhdx', 'QEMU 1.6', 'vhdx'],
  ['qemu-virtualpc-dynamic.vhd', 'Virtual PC', 'vhd'],
  ['dfvfs-ext2.vhdx', 'QEMU 5.2', 'vhdx'],
  ['dfvfs-ext2.vhd', 'qemu-img', 'vhd'],
  ['dfvfs-ext2.vmdk', 'qemu-img', 'vmdk'],
  ['dfvfs-ext2.qcow2', 'qemu-img', 'qcow2'],
];

for (const [name, madeBy, format, dependsOn] of images) {
  const what = dependsOn === undefined ? format : `${format} that depends on ${dependsOn}`;
  test(`${name} of ${madeBy} → ${what}`, { skip: withoutSharedImages }, async (context) => {
    const found = await identifyImage(await unpackSharedImage(name, await folderOf(context)));
    assert.deepEqual([found.format, found.dependsOn], [format, dependsOn]);
  });
}
