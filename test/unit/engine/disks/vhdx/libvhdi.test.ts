import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { vhdxDriver } from '../../../../../engine/disks/vhdx/driver.ts';
import { DiskModel, taggedContent } from '../../../../support/disks/disk-model.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { folderOf } from '../../temporary-folder.ts';
import { mebibyte } from './vhdx-files.ts';

const random = seededRandom();
const isInstalled = (process.env['PATH'] ?? '')
  .split(path.delimiter)
  .some((folder) => existsSync(path.join(folder, 'vhdimount')));
const skip = !isInstalled
  ? 'vhdimount is not installed (Debian and Ubuntu: apt install libvhdi-utils)'
  : !existsSync('/dev/fuse') && 'vhdimount needs /dev/fuse';

async function openChainOf(
  files: readonly string[],
  access: 'read' | 'write',
): Promise<{ top: Layer; close: () => Promise<void> }> {
  const layers = await Promise.all(
    files.map(async (file, index) =>
      vhdxDriver.open({ file: await openDiskFile(file, index === 0 ? access : 'read') }),
    ),
  );
  layers.forEach((layer, index) => {
    const parent = layers[index + 1];
    if (parent !== undefined) {
      assert.deepEqual(layer.compareParent(parent), []);
      layer.attachParent(parent);
    }
  });
  const [top] = layers;
  assert.ok(top);
  const close = async (): Promise<void> => {
    await Promise.all(layers.map((layer) => layer.close()));
  };
  return { top, close };
}

/** Mounts a layer with libvhdi, which finds the parents by itself, and compares each of the chain's points. */
async function assertSameInLibvhdi(folder: string, file: string, models: readonly DiskModel[]): Promise<void> {
  const mount = path.join(folder, 'mount');
  await mkdir(mount, { recursive: true });
  await runProgram('vhdimount', [file, mount]);
  try {
    for (const [index, model] of models.entries()) {
      const handle = await open(path.join(mount, `vhdi${index + 1}`), 'r');
      try {
        const content = Buffer.alloc(model.sizeBytes);
        let done = 0;
        for (let bytes = -1; bytes !== 0; done += bytes) {
          ({ bytesRead: bytes } = await handle.read(content, done, Math.min(mebibyte, content.length - done), done));
        }
        assert.equal(done, model.sizeBytes);
        const expected = model.content(0, model.sizeBytes);
        const differs = content.findIndex((byte, at) => byte !== expected[at]);
        assert.equal(differs, -1, `layer ${index}: byte ${differs} (sector ${Math.floor(differs / 512)}) differs`);
      } finally {
        await handle.close();
      }
    }
  } finally {
    await runProgram('umount', [mount]);
  }
}

for (const { blockBytes, logicalSectorBytes } of [
  { blockBytes: mebibyte, logicalSectorBytes: 512 },
  { blockBytes: 2 * mebibyte, logicalSectorBytes: 512 },
  { blockBytes: 32 * mebibyte, logicalSectorBytes: 512 },
  { blockBytes: mebibyte, logicalSectorBytes: 4096 },
]) {
  const name = `${blockBytes / mebibyte} MiB blocks, ${logicalSectorBytes}-byte sectors`;
  test(`chains of 1 to 5 layers written here are read by libvhdi: ${name}`, { skip }, async (context) => {
    const folder = await folderOf(context);
    const sizeBytes = 12 * mebibyte;
    const files: string[] = [];
    const models: DiskModel[] = [];
    for (let depth = 0; depth < 5; depth++) {
      const file = path.join(folder, `layer${depth}.vhdx`);
      const [parentFile] = files;
      const parent = parentFile === undefined ? undefined : await openChainOf(files, 'read');
      const created = await openDiskFile(file, 'create');
      await vhdxDriver.create({
        file: created,
        blockBytes,
        ...(parent === undefined || parentFile === undefined
          ? { virtualSizeBytes: sizeBytes, logicalSectorBytes }
          : { parent: { layer: parent.top, relativePath: path.basename(parentFile) } }),
      });
      await created.close();
      await parent?.close();
      files.unshift(file);
      models.unshift((models[0] ?? new DiskModel(sizeBytes)).copy());
      const { top, close } = await openChainOf(files, 'write');
      for (let write = 0; write < 15; write++) {
        const length = 1 + Math.floor(random() ** 3 * 900_000);
        const offset = Math.floor(random() * (sizeBytes - length));
        const tag = depth * 1000 + write;
        await top.write(taggedContent(offset, length, tag), offset);
        models[0]?.write(taggedContent(offset, length, tag), offset);
        if (write % 5 === 4 && depth === 0) {
          // A whole block, which then says that it is zero. In a child libvhdi 20210425 shows the parent there, against
          // [MS-VHDX] 2.5.1.1, so only the base is asked to.
          const start = Math.floor(offset / blockBytes) * blockBytes;
          await top.zero(start, Math.min(blockBytes, sizeBytes - start));
          models[0]?.zero(start, Math.min(blockBytes, sizeBytes - start));
        }
      }
      await close();
    }
    // It shows each layer of the chain as a disk of its own, the base first.
    await assertSameInLibvhdi(folder, files[0] ?? '', [...models].reverse());
  });
}
