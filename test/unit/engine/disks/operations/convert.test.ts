import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { convert } from '../../../../../engine/disks/operations/convert.ts';
import { create } from '../../../../../engine/disks/operations/create.ts';
import { openChain, type OpenImage } from '../../../../../engine/disks/open-chain.ts';
import type { DiskFormat } from '../../../../../engine/model/machine.ts';
import { makeChain } from '../../../../support/disks/chains.ts';
import { DiskModel } from '../../../../support/disks/disk-model.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';

const mib = 1024 * 1024;
const writable: readonly DiskFormat[] = ['raw', 'qcow2', 'vhd', 'vhdx'];
const readable: readonly DiskFormat[] = [...writable, 'vmdk'];
const qemuName = { raw: 'raw', qcow2: 'qcow2', vhd: 'vpc', vhdx: 'vhdx', vmdk: 'vmdk' } as const;

function told(format: DiskFormat): OpenImage {
  return format === 'raw' ? { format } : {};
}

async function assertHolds(file: string, model: DiskModel | undefined, options: OpenImage = {}): Promise<void> {
  const chain = await openChain(file, options);
  try {
    // A VHD's size is rounded up to what its geometry can say.
    const extra = chain.top.virtualSizeBytes - (model?.sizeBytes ?? 0);
    assert.ok(extra >= 0 && extra < mib, `${extra} bytes longer`);
    await model?.copy(chain.top.virtualSizeBytes).assertSame(chain.top);
  } finally {
    await chain.close();
  }
}

for (const from of writable) {
  for (const to of readable) {
    test(`${from} becomes ${to}, and qemu-img reads the same from it`, () =>
      withFolder(async (folder) => {
        const random = seededRandom();
        const made = await makeChain(folder, { random, formats: [from], sizesBytes: [24 * mib], steps: 40 });
        const [source = ''] = made.files;
        const target = path.join(folder, 'target');
        const { files } = await convert(source, target, { to, ...told(from) });
        assert.deepEqual(files, [target]);
        await assertHolds(target, made.models[0], told(to));
        await runProgram('qemu-img', ['compare', '-f', qemuName[from], '-F', qemuName[to], source, target]);
      }));
  }
}

for (const isStreamOptimized of [false, true]) {
  test(`a ${isStreamOptimized ? 'stream-optimised' : 'sparse'} vmdk carries its own name, and becomes a raw disk again`, () =>
    withFolder(async (folder) => {
      const random = seededRandom();
      const made = await makeChain(folder, { random, formats: ['qcow2'], sizesBytes: [24 * mib], steps: 40 });
      const [source = ''] = made.files;
      const target = path.join(folder, 'disk.vmdk');
      await convert(source, target, { to: 'vmdk', isStreamOptimized });
      assert.match((await readFile(target)).toString('latin1', 0, 20480), /SPARSE "disk\.vmdk"/);
      await runProgram('qemu-img', ['compare', '-f', 'qcow2', '-F', 'vmdk', source, target]);
      const back = path.join(folder, 'back.raw');
      await convert(target, back, { to: 'raw' });
      await assertHolds(back, made.models[0], { format: 'raw' });
    }));
}

for (const to of ['qcow2', 'vhd', 'vhdx'] as const) {
  test(`holes and zeros stay holes in ${to}`, () =>
    withFolder(async (folder) => {
      const source = path.join(folder, 'source.raw');
      const target = path.join(folder, `target.${to}`);
      const content = Buffer.alloc(48 * mib);
      content.fill(1, 5 * mib, 5 * mib + 4096);
      content.fill(2, 40 * mib, 41 * mib);
      await writeFile(source, content);
      const { writtenBytes } = await convert(source, target, { to, format: 'raw' });
      assert.equal(writtenBytes, mib + 64 * 1024);
      const { size } = await stat(target);
      assert.ok(size < (to === 'vhdx' ? 80 : 8) * mib, `${size} bytes`);
      await runProgram('qemu-img', ['compare', '-f', 'raw', '-F', qemuName[to], source, target]);
    }));

  test(`a chain stays a chain in ${to}, and is one disk when flattened`, () =>
    withFolder(async (folder) => {
      const random = seededRandom();
      const made = await makeChain(folder, {
        random,
        formats: ['raw', 'qcow2', 'qcow2', 'qcow2'],
        sizesBytes: [12 * mib],
        steps: 30,
      });
      const [source = ''] = made.files;
      const other = path.join(folder, `kept-${to}`);
      await runProgram('mkdir', [other]);
      const { files } = await convert(source, path.join(other, `top.${to}`), { to });
      assert.deepEqual(
        files.map((file) => path.relative(other, file)),
        [`top.${to}`, `layer2.${to}`, `layer1.${to}`, `layer0.${to}`],
      );
      for (const [depth, file] of files.entries()) {
        await assertHolds(file, made.models[depth]);
      }
      const flat = path.join(other, `flat.${to}`);
      assert.deepEqual((await convert(source, flat, { to, flatten: true })).files, [flat]);
      await assertHolds(flat, made.models[0]);
      assert.deepEqual((await readdir(other)).sort(), [
        `flat.${to}`,
        `layer0.${to}`,
        `layer1.${to}`,
        `layer2.${to}`,
        `top.${to}`,
      ]);
    }));
}

test('nothing is overwritten, and nothing is left behind after an error', () =>
  withFolder(async (folder) => {
    const random = seededRandom();
    const made = await makeChain(folder, { random, formats: ['qcow2', 'qcow2'], sizesBytes: [8 * mib], steps: 20 });
    const [child = ''] = made.files;
    const before = (await readdir(folder)).sort();
    await assert.rejects(convert(child, child, { to: 'qcow2' }), { code: 'NameInUse' });
    // The parent's new image would take the old one's place.
    await assert.rejects(convert(child, path.join(folder, 'new.qcow2'), { to: 'qcow2' }), { code: 'NameInUse' });
    await assert.rejects(convert(child, path.join(folder, 'new.raw'), { to: 'raw' }), { code: 'UnsupportedDisk' });
    const controller = new AbortController();
    const cancelled = convert(child, path.join(folder, 'new.vhdx'), {
      to: 'vhdx',
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await assert.rejects(cancelled, { name: 'AbortError' });
    assert.deepEqual((await readdir(folder)).sort(), before);
  }));

test('a disk that changed places keeps its content: converted next to a copy of its parent', () =>
  withFolder(async (folder) => {
    const random = seededRandom();
    const made = await makeChain(folder, { random, formats: ['raw', 'qcow2'], sizesBytes: [4 * mib], steps: 20 });
    const [child = '', parent = ''] = made.files;
    const moved = path.join(folder, 'moved');
    await runProgram('mkdir', [moved]);
    await copyFile(child, path.join(moved, 'layer1.qcow2'));
    await assert.rejects(
      convert(path.join(moved, 'layer1.qcow2'), path.join(moved, 'x.raw'), { to: 'raw', flatten: true }),
      {
        code: 'DiskNotFound',
      },
    );
    await copyFile(parent, path.join(moved, 'layer0.raw'));
    await convert(path.join(moved, 'layer1.qcow2'), path.join(moved, 'x.raw'), { to: 'raw', flatten: true });
    await assertHolds(path.join(moved, 'x.raw'), made.models[0], { format: 'raw' });
  }));

test('an empty disk of 1 TiB is converted without a look at each block', () =>
  withFolder(async (folder) => {
    const source = path.join(folder, 'empty.vhdx');
    await create(source, { format: 'vhdx', virtualSizeBytes: 1024 ** 4, blockBytes: 32 * mib });
    const began = process.cpuUsage();
    const { writtenBytes } = await convert(source, path.join(folder, 'empty.qcow2'), { to: 'qcow2' });
    const { user, system } = process.cpuUsage(began);
    assert.equal(writtenBytes, 0);
    assert.ok(user + system < 1_000_000, `${(user + system) / 1000} ms of processor time`);
  }));
