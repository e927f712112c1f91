import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { vhdDriver } from '../../../../../engine/disks/vhd/driver.ts';
import {
  DiskModel,
  randomProgram,
  runProgram as runSteps,
  taggedContent,
} from '../../../../support/disks/disk-model.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { unpackSharedImage, withoutSharedImages } from '../../../../support/shared-images.ts';
import { kib, mib } from './vhd-images.ts';

/** More for a longer run. */
const rounds = Number(process.env['CKPT_ROUNDS'] ?? 1);

function isInstalled(program: string): boolean {
  try {
    execFileSync(program, ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const withoutQemu = !isInstalled('qemu-img') && 'qemu-img is not installed (Debian: qemu-utils)';
const withoutLibvhdi = ((): string | false => {
  if (!isInstalled('vhdimount')) {
    return 'vhdimount is not installed (Debian: libvhdi-utils)';
  }
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    return process.getuid?.() !== 0 && 'mounting with umount(8) takes root';
  } catch {
    return 'there is no /dev/fuse here to mount with';
  }
})();

async function create(
  file: string,
  options: { sizeBytes?: number; blockBytes?: number; isFixed?: boolean; parent?: Layer },
): Promise<void> {
  const { sizeBytes, parent, blockBytes = 2 * mib, isFixed = false } = options;
  const opened = await openDiskFile(file, 'create');
  await vhdDriver.create({
    file: opened,
    ...(parent === undefined
      ? { virtualSizeBytes: sizeBytes ?? 0 }
      : { parent: { layer: parent, relativePath: path.basename(parent.file.path) } }),
    blockBytes,
    isFixed,
  });
  await opened.close();
}

async function open(file: string, access: 'read' | 'write', parent?: Layer): Promise<Layer> {
  const layer = await vhdDriver.open({ file: await openDiskFile(file, access) });
  if (parent !== undefined) {
    assert.deepEqual(layer.compareParent(parent), []);
    layer.attachParent(parent);
  }
  return layer;
}

async function qemuContent(file: string, folder: string): Promise<Buffer> {
  const raw = path.join(folder, 'qemu.raw');
  await runProgram('qemu-img', ['convert', '-f', 'vpc', '-O', 'raw', file, raw]);
  return readFile(raw);
}

function assertEqual(found: Buffer, model: DiskModel, message: string): void {
  assert.equal(found.length, model.sizeBytes, message);
  const expected = model.content(0, model.sizeBytes);
  if (!found.equals(expected)) {
    const byte = found.findIndex((value, at) => value !== expected[at]);
    assert.fail(`${message}: byte ${byte} (sector ${Math.floor(byte / 512)}) differs`);
  }
}

describe('qemu-img and qemu-io', { skip: withoutQemu }, () => {
  for (const blockBytes of [512 * kib, mib, 2 * mib]) {
    for (const isFixed of [false, true]) {
      test(`${isFixed ? 'fixed' : 'dynamic'}, ${blockBytes / kib} KiB: written by us, read by QEMU; written on by QEMU, read by us`, async () => {
        const random = seededRandom();
        for (let round = 0; round < rounds; round++) {
          await withFolder(async (folder) => {
            const file = path.join(folder, 'disk.vhd');
            // A size that no geometry has: QEMU must take the current size.
            const sizeBytes = 5 * mib + 512 * (1 + Math.floor(random() * 99));
            const model = new DiskModel(sizeBytes);
            await create(file, { sizeBytes, blockBytes, isFixed });
            await runSteps(randomProgram({ random, sizeBytes, steps: 80, boundaries: [blockBytes, 2 * blockBytes] }), {
              open: () => open(file, 'write'),
              model,
            });
            assertEqual(await qemuContent(file, folder), model, 'as QEMU reads it');

            const commands: string[] = [];
            for (let write = 0; write < 12; write++) {
              const offset = 512 * Math.floor(random() * (sizeBytes / 512 - 200));
              const length = 512 * (1 + Math.floor(random() * 199));
              const pattern = 1 + Math.floor(random() * 254);
              commands.push('-c', `write -P ${pattern} ${offset} ${length}`);
              model.write(Buffer.alloc(length, pattern), offset);
            }
            await runProgram('qemu-io', ['-f', 'vpc', ...commands, file]);
            const disk = await open(file, 'write');
            await model.assertSame(disk, 'as QEMU wrote it');
            const content = taggedContent(mib - 700, 3000, 5);
            await disk.write(content, mib - 700);
            model.write(content, mib - 700);
            await disk.compact({});
            await model.assertSame(disk);
            await disk.close();
            assertEqual(await qemuContent(file, folder), model, 'after compact');
            const again = await open(file, 'write');
            await again.resize(sizeBytes + 2000 * mib, {});
            await again.close();
            const info = await runProgram('qemu-img', ['info', '-f', 'vpc', file]);
            assert.ok(info.includes(`(${sizeBytes + 2000 * mib} bytes)`), info);
            // The shorter one counts as if zeros followed.
            const raw = path.join(folder, 'model.raw');
            await writeFile(raw, model.content(0, sizeBytes));
            await runProgram('qemu-img', ['compare', '-q', '-f', 'vpc', '-F', 'raw', file, raw]);
          });
        }
      });
    }
  }

  for (const options of ['subformat=dynamic', 'subformat=fixed', 'subformat=dynamic,force_size=on']) {
    test(`made by qemu-img with ${options} → the same size and content, and no faults`, async () => {
      const random = seededRandom();
      await withFolder(async (folder) => {
        const file = path.join(folder, 'disk.vhd');
        await runProgram('qemu-img', ['create', '-q', '-f', 'vpc', '-o', options, file, String(9 * mib + 1024)]);
        const info: unknown = JSON.parse(await runProgram('qemu-img', ['info', '--output=json', '-f', 'vpc', file]));
        assert.ok(typeof info === 'object' && info !== null && 'virtual-size' in info);
        const disk = await open(file, 'write');
        assert.equal(disk.virtualSizeBytes, info['virtual-size']);
        await disk.close();
        const sizeBytes = disk.virtualSizeBytes;
        const model = new DiskModel(sizeBytes);
        await runProgram('qemu-io', ['-f', 'vpc', '-c', `write -P 9 ${2 * mib - 512} 2048`, file]);
        model.write(Buffer.alloc(2048, 9), 2 * mib - 512);
        await runSteps(randomProgram({ random, sizeBytes, steps: 60, boundaries: [2 * mib, 4 * mib] }), {
          open: () => open(file, 'write'),
          model,
        });
        assertEqual(await qemuContent(file, folder), model, 'as QEMU reads it');
        const again = await open(file, 'read');
        assert.deepEqual(await again.check({ repair: false }), []);
        await again.close();
      });
    });
  }
});

/** What libvhdi shows of a chain's top layer, whose parents lie in the same folder. */
async function libvhdiContent(top: string, folder: string): Promise<Buffer> {
  const mount = path.join(folder, 'mounted');
  await mkdir(mount, { recursive: true });
  await runProgram('vhdimount', [top, mount]);
  try {
    const disks = (await readdir(mount)).sort((a, b) => Number(a.replace(/\D/g, '')) - Number(b.replace(/\D/g, '')));
    return await readFile(path.join(mount, disks.at(-1) ?? ''));
  } finally {
    await runProgram('umount', [mount]);
  }
}

describe('libvhdi', { skip: withoutLibvhdi }, () => {
  for (const blockBytes of [512 * kib, mib, 2 * mib]) {
    test(`chains one to five deep, blocks of ${blockBytes / kib} KiB: written by us, read by libvhdi`, async () => {
      const random = seededRandom();
      for (let round = 0; round < rounds; round++) {
        await withFolder(async (folder) => {
          const sizeBytes = 5 * mib + 12 * kib;
          const model = new DiskModel(sizeBytes);
          const layers: Layer[] = [];
          for (let depth = 0; depth <= 5; depth++) {
            const file = path.join(folder, `layer${depth}.vhd`);
            const parent = layers.at(-1);
            await create(file, {
              ...(parent === undefined ? { sizeBytes } : { parent }),
              blockBytes,
              isFixed: depth === 0 && random() < 0.5,
            });
            // Whole bytes of the bitmap: libvhdi 20210425 takes a clear bit that follows a set one for set.
            const alignment = 4096;
            const boundaries = [blockBytes, 2 * blockBytes];
            await runSteps(randomProgram({ random, sizeBytes, steps: 40, boundaries, alignment }), {
              open: () => open(file, 'write', parent),
              model,
            });
            assertEqual(await libvhdiContent(file, folder), model, `depth ${depth}`);
            layers.push(await open(file, 'read', parent));
          }
          await Promise.all(layers.map((layer) => layer.close()));
        });
      }
    });
  }

  test('a differencing disk by Windows, written by us, read by libvhdi', { skip: withoutSharedImages }, async () => {
    const random = seededRandom();
    await withFolder(async (folder) => {
      const parent = await open(await unpackSharedImage('fat-parent.vhd', folder), 'read');
      const file = await unpackSharedImage('fat-differential.vhd', folder);
      const first = await open(file, 'read', parent);
      const model = new DiskModel(first.virtualSizeBytes);
      const content = Buffer.alloc(first.virtualSizeBytes);
      await first.read(content, 0);
      await first.close();
      model.write(content, 0);
      const shape = { random, sizeBytes: model.sizeBytes, steps: 40, boundaries: [2 * mib], alignment: 4096 };
      await runSteps(randomProgram(shape), { open: () => open(file, 'write', parent), model });
      // The sectors around 186, which libvhdi takes from the wrong disk, are written whole.
      const writer = await open(file, 'write', parent);
      await writer.write(taggedContent(128 * 512, 128 * 512, 3), 128 * 512);
      model.write(taggedContent(128 * 512, 128 * 512, 3), 128 * 512);
      await writer.setParent({ layer: parent, relativePath: 'fat-parent.vhd' });
      await writer.close();
      assertEqual(await libvhdiContent(file, folder), model, 'as libvhdi reads it');
      await parent.close();
    });
  });
});
