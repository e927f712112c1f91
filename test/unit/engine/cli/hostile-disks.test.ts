import { mkdir, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import type { ErrorCode } from '../../../../engine/protocol/errors.ts';
import { Ckpt } from '../../../support/ckpt.ts';
import { runProgram } from '../../../support/project.ts';
import { makeFilledImage, makeImage, patch } from '../disks/made-images.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { refused } from './refusals.ts';

const disks: [what: string, code: ErrorCode, make: (folder: string) => Promise<string>][] = [
  ['a disk that is missing', 'DiskNotFound', async (folder) => path.join(folder, 'missing.qcow2')],
  ['a disk with a path that no file can have', 'DiskNotFound', async (folder) => path.join(folder, 'x'.repeat(2000))],
  ['a disk of zero bytes', 'NotADiskImage', (folder) => file(folder, 'zero.qcow2', '')],
  ['a text', 'NotADiskImage', (folder) => file(folder, 'text.qcow2', '# no disk\n'.repeat(1000))],
  ['a device without an end', 'NotADiskImage', async () => '/dev/zero'],
  [
    'a folder',
    'NotADiskImage',
    async (folder) => {
      await mkdir(path.join(folder, 'folder.qcow2'));
      return path.join(folder, 'folder.qcow2');
    },
  ],
  [
    'a pipe that nobody writes to',
    'NotADiskImage',
    async (folder) => {
      await runProgram('mkfifo', [path.join(folder, 'pipe')]);
      return path.join(folder, 'pipe');
    },
  ],
  ['a qcow2 that ends in its header', 'ImageDamaged', (folder) => truncated(folder, 60)],
  ['a qcow2 that ends in its tables', 'ImageDamaged', (folder) => truncated(folder, 70_000)],
  ['a qcow2 that ends in its middle', 'ImageDamaged', (folder) => truncated(folder, 600_000)],
  [
    'a VHD that ends in its middle',
    'ImageDamaged',
    async (folder) => {
      const vhd = await makeFilledImage(folder, 'cut.vhd', 'vhd');
      await truncate(vhd, 100_000);
      return vhd;
    },
  ],
  ['a disk with a parent', 'UnsupportedDisk', (folder) => withBacking(folder, '/etc/passwd')],
  ['a disk with a parent on the network', 'UnsupportedDisk', (folder) => withBacking(folder, 'nbd://127.0.0.1:1/x')],
  ['a disk with a parent that is a program', 'UnsupportedDisk', (folder) => withBacking(folder, 'json:{"driver":"x"}')],
  [
    'a disk with an external data file',
    'UnsupportedDisk',
    (folder) => makeImage(folder, 'external.qcow2', 'qcow2', { create: ['-o', `data_file=${folder}/data`] }),
  ],
  [
    'a VMDK that names other files',
    'UnsupportedDisk',
    async (folder) => {
      const vmdk = await makeImage(folder, 'names.vmdk', 'vmdk');
      await patch(vmdk, 12, Buffer.alloc(8));
      await patch(vmdk, 512, Buffer.from('# Disk DescriptorFile\nversion=1\nRW 3 FLAT "/etc/passwd" 0\n\0'));
      return vmdk;
    },
  ],
];

async function file(folder: string, name: string, content: string): Promise<string> {
  await writeFile(path.join(folder, name), content);
  return path.join(folder, name);
}

async function truncated(folder: string, lengthBytes: number): Promise<string> {
  const qcow2 = await makeFilledImage(folder, `cut-${lengthBytes}.qcow2`, 'qcow2');
  await truncate(qcow2, lengthBytes);
  return qcow2;
}

function withBacking(folder: string, backing: string): Promise<string> {
  return makeImage(folder, 'backing.qcow2', 'qcow2', { backing: { file: backing, format: 'raw' } });
}

describe('disks that no machine can be made of', () => {
  const folder = folderOfSuite();
  const home = path.join(folder, 'home');
  before(async () => {
    const good = await makeImage(folder, 'good.qcow2', 'qcow2');
    await new Ckpt(home).run('createMachine', ['create-machine', 'good', '--disk', good]);
  });
  for (const [what, code, make] of disks) {
    it(`${what} → ${code}, for create-machine and for add, at once`, { timeout: 20_000 }, async () => {
      const disk = await make(folder);
      await refused(home, ['create-machine', 'lab', '--disk', disk], code);
      await refused(home, ['add', 'lab', '--disk', disk], code);
    });
  }
  it('a raw disk of no whole number of sectors → NotADiskImage', async () => {
    const disk = await file(folder, 'odd.raw', 'x'.repeat(1000));
    await refused(home, ['create-machine', 'lab', '--disk', disk, '--format', 'raw'], 'NotADiskImage');
    await refused(home, ['add', 'lab', '--disk', disk, '--format', 'raw'], 'NotADiskImage');
  });
});
