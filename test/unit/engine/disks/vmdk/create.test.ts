import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { vmdkDriver } from '../../../../../engine/disks/vmdk/driver.ts';
import { createStreamOptimized } from '../../../../../engine/disks/vmdk/stream-optimized.ts';
import {
  DiskModel,
  randomProgram,
  runProgram as runSteps,
  taggedContent,
} from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { crashPoints, Recording } from '../../../../support/disks/recorded-file.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { folderOf } from '../../temporary-folder.ts';
import { contentByExtents, contentOf, openVmdk, qemuContent } from './images.ts';

const MiB = 1 << 20;
const GiB = 2 ** 30;
const random = seededRandom();

async function created(virtualSizeBytes: number): Promise<MemoryFile> {
  const file = new MemoryFile('/memory/new.vmdk');
  await vmdkDriver.create({ file, virtualSizeBytes });
  return file;
}

async function reopened(file: MemoryFile): Promise<Layer> {
  return vmdkDriver.open({ file: file.copy() });
}

test('a new image is empty, can be written, and can not any more once it was', async () => {
  const file = await created(64 * MiB);
  const layer = await vmdkDriver.open({ file });
  assert.equal(layer.isReadOnly, false);
  assert.ok((await contentOf(layer)).equals(Buffer.alloc(64 * MiB)));
  await layer.write(taggedContent(MiB, 70_000, 1), MiB);
  await layer.close();
  const again = await reopened(file);
  assert.equal(again.isReadOnly, true);
  for (const change of [
    again.write(Buffer.alloc(512), 0),
    again.zero(0, 512),
    again.discard(0, 512),
    again.setParent(undefined),
  ]) {
    await assert.rejects(change, { code: 'PermissionDenied', message: /only a new one is written/ });
  }
  await assert.rejects(again.compact({}), { code: 'UnsupportedDisk' });
  await assert.rejects(again.resize(128 * MiB, {}), { code: 'UnsupportedDisk' });
});

test('random programs on a new image → as the model, in memory and after it was closed', async () => {
  const rounds = Number(process.env['CKPT_VMDK_ROUNDS'] ?? 6);
  for (let round = 0; round < rounds; round++) {
    const sizeBytes = 34 * MiB + 512 * Math.floor(random() * 300);
    const file = await created(sizeBytes);
    const model = new DiskModel(sizeBytes);
    const steps = randomProgram({
      random,
      sizeBytes,
      steps: 150,
      boundaries: [65_536, 32 * MiB, 33 * MiB],
      kinds: ['write', 'write', 'write', 'zero', 'discard', 'flush'],
      longest: MiB,
    });
    await runSteps(steps, { open: () => vmdkDriver.open({ file }), model, compareEvery: 50 });
    const layer = await reopened(file);
    await model.assertSame(layer, 'after it was closed');
    assert.ok((await contentByExtents(layer)).equals(model.content(0, sizeBytes)));
    assert.deepEqual(await layer.check({ repair: false }), []);
  }
});

/** A file whose writes and syncs take a few turns of the event loop, as a real one's do. */
class SlowFile extends MemoryFile {
  override async write(buffer: Buffer, offset: number): Promise<void> {
    await turns(Math.floor(random() * 4));
    await super.write(buffer, offset);
  }

  override async sync(): Promise<void> {
    await turns(3);
    await super.sync();
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('overlapping calls: writes into the same grains, and flushes, side by side → all are there', async () => {
  const file = new SlowFile('/memory/new.vmdk');
  await vmdkDriver.create({ file, virtualSizeBytes: 8 * MiB });
  const layer = await vmdkDriver.open({ file });
  const expected = Buffer.alloc(8 * MiB);
  const writes = Array.from({ length: 512 }, async (_, index) => {
    await turns(Math.floor(random() * 60));
    const offset = index * 16_384 + 512;
    const content = taggedContent(offset, 15_000, index + 1);
    content.copy(expected, offset);
    await layer.write(content, offset);
    if (index % 10 === 0) {
      await layer.flush();
      const survivor = Buffer.alloc(content.length);
      await (await reopened(file)).read(survivor, offset);
      assert.ok(survivor.equals(content), 'flushed, and so in the file');
    }
  });
  await Promise.all(writes);
  assert.ok((await contentOf(layer)).equals(expected));
  await layer.close();
  assert.ok((await contentOf(await reopened(file))).equals(expected));
});

test('more tables than are kept back → stored on the way, and read again', async () => {
  const file = await created(64 * GiB);
  const layer = await vmdkDriver.open({ file });
  const found = Buffer.alloc(512);
  for (let table = 0; table < 2000; table++) {
    await layer.write(taggedContent(table * 32 * MiB, 512, table + 1), table * 32 * MiB);
    // Other tables come into memory and push these out.
    await layer.read(found, 64 * GiB - (table + 1) * 16 * MiB);
    if (table === 1000) {
      await layer.read(found, 0);
      assert.ok(found.equals(taggedContent(0, 512, 1)), 'not stored yet, and still known');
    }
  }
  for (const disk of [layer, await (await layer.flush(), reopened(file))]) {
    for (let table = 0; table < 2000; table += 7) {
      await disk.read(found, table * 32 * MiB);
      assert.ok(found.equals(taggedContent(table * 32 * MiB, 512, table + 1)), `table ${table}`);
    }
  }
});

test('a crash at any instant → opens, what was flushed is there, the rest is as it was or zero', async () => {
  const sizeBytes = 2 * MiB;
  const recording = new Recording();
  const file = recording.file('/memory/new.vmdk', await created(sizeBytes));
  const layer = await vmdkDriver.open({ file });
  const steps = randomProgram({
    random,
    sizeBytes,
    steps: 40,
    boundaries: [MiB],
    kinds: ['write', 'write', 'zero', 'flush'],
    longest: 100_000,
  });
  const models = [new DiskModel(sizeBytes)];
  for (const step of steps) {
    recording.mark('begun');
    const model = models.at(-1)?.copy() ?? new DiskModel(sizeBytes);
    if (step.kind === 'write') {
      await layer.write(taggedContent(step.offset, step.length, step.tag), step.offset);
    } else if (step.kind === 'zero') {
      await layer.zero(step.offset, step.length);
    } else {
      await layer.flush();
      recording.mark('flushed');
    }
    model.apply(step);
    models.push(model);
  }
  await layer.flush();
  let looked = 0;
  for (const point of crashPoints(recording, { random, reorderings: 4, points: 80 })) {
    const begun = point.marks.filter((mark) => mark === 'begun').length;
    const flushed = point.marks.lastIndexOf('flushed');
    const done = flushed === -1 ? 0 : point.marks.slice(0, flushed).filter((mark) => mark === 'begun').length;
    const model = new DiskModel(sizeBytes);
    steps.slice(0, done).forEach((step) => model.apply(step));
    model.flush();
    steps.slice(done, begun).forEach((step) => step.kind === 'flush' || model.apply(step));
    const survivor = await vmdkDriver.open({ file: point.file() });
    await model.assertPossible(survivor, point.description);
    looked++;
  }
  assert.ok(looked > 200, `${looked} points`);
});

test('our monolithicSparse → qemu-img checks it, reads it, and writes it', async (context) => {
  const folder = await folderOf(context);
  const image = path.join(folder, 'ours.vmdk');
  const sizeBytes = 40 * MiB + 512;
  const file = await openDiskFile(image, 'create');
  await vmdkDriver.create({ file, virtualSizeBytes: sizeBytes });
  const model = new DiskModel(sizeBytes);
  const kinds = ['write', 'write', 'zero', 'flush'] as const;
  const steps = randomProgram({ random, sizeBytes, steps: 100, boundaries: [32 * MiB], kinds, longest: MiB });
  await runSteps(steps, { open: () => vmdkDriver.open({ file }), model });
  await runProgram('qemu-img', ['check', '-f', 'vmdk', image]);
  assert.ok((await qemuContent(image, path.join(folder, 'copy.raw'))).equals(model.content(0, sizeBytes)));
  assert.match(await runProgram('qemu-img', ['info', '-f', 'vmdk', image]), /create type: monolithicSparse/);
  await runProgram('qemu-io', ['-f', 'vmdk', '-c', 'write -q -P 3 20M 1M', image]);
  const layer = await openVmdk(image);
  const expected = model.content(0, sizeBytes).fill(3, 20 * MiB, 21 * MiB);
  assert.ok((await contentOf(layer)).equals(expected));
  assert.deepEqual(await layer.check({ repair: false }), []);
  await layer.close();
});

test('our streamOptimized → read by qemu-img and by us; holes and zeros take no space', async (context) => {
  const folder = await folderOf(context);
  for (const sizeBytes of [512, 65_536, 70 * MiB + 1536]) {
    const image = path.join(folder, `ours-${sizeBytes}.vmdk`);
    const file = await openDiskFile(image, 'create');
    const writer = await createStreamOptimized(file, sizeBytes, 'final.vmdk');
    const expected = Buffer.alloc(sizeBytes);
    let at = 0;
    while (at < sizeBytes) {
      const length = Math.min(sizeBytes - at, Math.ceil(random() * 300_000));
      if (random() < 0.5) {
        const content = random() < 0.2 ? Buffer.alloc(length) : taggedContent(at, length, at + 1);
        content.copy(expected, at);
        await writer.append(at, content);
        content.fill(0xdd);
      }
      at += length + (random() < 0.1 ? 2 * MiB : 0);
    }
    await writer.finish();
    await file.close();
    assert.ok((await qemuContent(image, path.join(folder, 'copy.raw'))).equals(expected), `${sizeBytes} by qemu-img`);
    const layer = await openVmdk(image);
    assert.ok((await contentOf(layer)).equals(expected), `${sizeBytes} by us`);
    assert.ok((await contentByExtents(layer)).equals(expected));
    assert.deepEqual(await layer.check({ repair: false }), []);
    await layer.close();
    await runProgram('qemu-img', ['check', '-f', 'vmdk', image]);
  }
});

test('an empty stream of 2 TiB is small; out of order or beyond the end → InvalidArgument', async () => {
  const file = new MemoryFile('/memory/stream.vmdk');
  const writer = await createStreamOptimized(file, 2048 * GiB);
  await writer.append(1024 * GiB, Buffer.alloc(MiB, 1));
  await assert.rejects(writer.append(0, Buffer.alloc(512)), { code: 'InvalidArgument' });
  await assert.rejects(writer.append(2048 * GiB - 512, Buffer.alloc(1024)), { code: 'InvalidArgument' });
  await writer.finish();
  assert.ok(file.sizeBytes < 2 * MiB, `${file.sizeBytes} bytes`);
  const layer = await reopened(file);
  const extents = [];
  for await (const extent of layer.extents(0, layer.virtualSizeBytes)) {
    extents.push([extent.offset / MiB, extent.length / MiB, extent.state]);
  }
  assert.deepEqual(extents, [
    [0, MiB, 'parent'],
    [MiB, 1, 'data'],
    [MiB + 1, MiB - 1, 'parent'],
  ]);
});

test('64 TiB: created in bounded pieces, opened and mapped at once', async () => {
  const file = await created(65_536 * GiB);
  assert.ok(file.allocatedBytes < 32 * MiB, `${file.allocatedBytes} bytes`);
  const layer = await vmdkDriver.open({ file });
  await layer.write(taggedContent(60_000 * GiB, 4096, 1), 60_000 * GiB);
  await layer.flush();
  const again = await reopened(file);
  const found = Buffer.alloc(4096);
  await again.read(found, 60_000 * GiB);
  assert.ok(found.equals(taggedContent(60_000 * GiB, 4096, 1)));
  const began = process.cpuUsage();
  const extents = [];
  for await (const { offset, length, state } of again.extents(0, again.virtualSizeBytes)) {
    extents.push([offset, length, state]);
  }
  assert.deepEqual(extents, [
    [0, 60_000 * GiB, 'parent'],
    [60_000 * GiB, 65_536, 'data'],
    [60_000 * GiB + 65_536, 5536 * GiB - 65_536, 'parent'],
  ]);
  assert.ok(process.cpuUsage(began).user < 2_000_000, 'empty tables are not read one by one');
});

test('what a VMDK is not created with → refused', async () => {
  const file = new MemoryFile('/memory/new.vmdk');
  for (const virtualSizeBytes of [undefined, 0, -512, 1000, 1.5, 2 ** 46 + 512]) {
    const size = virtualSizeBytes === undefined ? {} : { virtualSizeBytes };
    await assert.rejects(vmdkDriver.create({ file, ...size }), { code: 'InvalidArgument' });
  }
  const parent = await vmdkDriver.open({ file: await created(MiB) });
  await assert.rejects(vmdkDriver.create({ file, parent: { layer: parent, relativePath: 'p' } }), {
    code: 'UnsupportedDisk',
  });
  await assert.rejects(vmdkDriver.create({ file, virtualSizeBytes: MiB, isFixed: true }), { code: 'UnsupportedDisk' });
  await assert.rejects(vmdkDriver.create({ file, virtualSizeBytes: MiB, logicalSectorBytes: 4096 }), {
    code: 'UnsupportedDisk',
  });
});
