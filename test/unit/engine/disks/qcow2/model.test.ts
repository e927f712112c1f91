import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Disk, Layer } from '../../../../../engine/disks/disk.ts';
import { qcow2Driver } from '../../../../../engine/disks/qcow2/driver.ts';
import { readHeader } from '../../../../../engine/disks/qcow2/header.ts';
import { ImageFile } from '../../../../../engine/disks/qcow2/image-file.ts';
import { Qcow2Layer } from '../../../../../engine/disks/qcow2/layer.ts';
import { PageBudget } from '../../../../../engine/disks/qcow2/page-cache.ts';
import { DiskModel, randomProgram, runProgram, taggedContent } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { kibibyte, mebibyte } from './qemu.ts';

const steps = Number(process.env['CKPT_QCOW2_STEPS'] ?? 2000);
const random = seededRandom();

for (const clusterSize of [512, 4096, 65536, 2 * mebibyte]) {
  for (const depth of [1, 3]) {
    test(`${steps} random steps on ${depth} layers with clusters of ${clusterSize} bytes`, async () => {
      const sizeBytes = Math.max(mebibyte, 3 * clusterSize) + 512;
      const boundaries = [clusterSize, 7 * clusterSize, sizeBytes / 2];
      const layers: Layer[] = [];
      let model = new DiskModel(sizeBytes);
      for (let level = 0; level < depth; level++) {
        const parent = layers.at(-1);
        const file = new MemoryFile(`/memory/layer${level}.qcow2`);
        await qcow2Driver.create({
          file,
          blockBytes: clusterSize,
          ...(parent === undefined
            ? { virtualSizeBytes: sizeBytes }
            : { parent: { layer: parent, relativePath: `layer${level - 1}.qcow2` } }),
        });
        model = model.copy();
        const longest = Math.min(sizeBytes / 3, 8 * clusterSize);
        const program = randomProgram({ random, sizeBytes, steps: Math.ceil(steps / depth), boundaries, longest });
        await runProgram(program, { open: () => opened(file, parent), model, compareEvery: 50 });
        const layer = await opened(file, parent);
        assert.deepEqual(await layer.check({ repair: false }), []);
        layers.push(layer);
      }
      for (const layer of layers) {
        await layer.close();
      }
    });
  }
}

async function opened(file: MemoryFile, parent: Disk | undefined): Promise<Qcow2Layer> {
  const layer = await qcow2Driver.open({ file });
  if (parent !== undefined) {
    layer.attachParent(parent);
  }
  return layer;
}

test('calls that overlap in time, in clusters that they share: every byte is what its last writer wrote', async () => {
  const sizeBytes = mebibyte;
  const parentFile = new MemoryFile('/memory/parent.qcow2');
  await qcow2Driver.create({ file: parentFile, virtualSizeBytes: sizeBytes });
  const parent = await qcow2Driver.open({ file: parentFile });
  await parent.write(taggedContent(0, sizeBytes, 4711), 0);
  const file = new MemoryFile('/memory/image.qcow2');
  await qcow2Driver.create({ file, blockBytes: 4096, parent: { layer: parent, relativePath: 'parent.qcow2' } });
  const layer = await opened(file, parent);
  const model = new DiskModel(sizeBytes);
  model.write(taggedContent(0, sizeBytes, 4711), 0);

  for (let round = 0; round < 60; round++) {
    const calls: Promise<void>[] = [];
    // Neighbours never overlap, and often lie in one cluster.
    for (let at = Math.floor(random() * 2000); at < sizeBytes;) {
      const offset = at;
      const length = Math.min(sizeBytes - at, 1 + Math.floor(random() * 9000));
      const kind = random();
      if (kind < 0.5) {
        const content = taggedContent(offset, length, round);
        calls.push(layer.write(content, offset));
        model.write(content, offset);
      } else if (kind < 0.65) {
        calls.push(random() < 0.5 ? layer.zero(offset, length) : layer.discard(offset, length));
        model.zero(offset, length);
      } else if (kind < 0.75) {
        const expected = model.content(offset, length);
        const found = Buffer.alloc(length);
        calls.push(
          layer.read(found, offset).then(() => assert.ok(found.equals(expected), `${length} bytes at ${offset}`)),
        );
      } else if (kind < 0.78) {
        calls.push(layer.flush());
      }
      at += length + (random() < 0.5 ? 0 : Math.floor(random() * 5000));
    }
    await Promise.all(calls);
    if (round % 10 === 9) {
      await model.assertSame(layer, `round ${round}`);
      assert.deepEqual(await layer.check({ repair: false }), []);
    }
  }
  await layer.close();
  await parent.close();
});

test('tables that do not all fit into memory are read again, and none of their changes is lost', async () => {
  const sizeBytes = 4 * mebibyte;
  const file = new MemoryFile();
  await qcow2Driver.create({ file, blockBytes: 512, virtualSizeBytes: sizeBytes });
  const budget = new PageBudget(2 * kibibyte);
  const model = new DiskModel(sizeBytes);
  await runProgram(randomProgram({ random, sizeBytes, steps: 400, longest: 60 * kibibyte }), {
    open: async () => {
      const header = await readHeader((buffer, offset) => file.read(buffer, offset), file.path);
      return new Qcow2Layer(new ImageFile(file, await file.size(), header, undefined, budget));
    },
    model,
    compareEvery: 40,
  });
  const layer = await opened(file, undefined);
  assert.deepEqual(await layer.check({ repair: false }), []);
  await layer.close();
});
