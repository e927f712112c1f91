import assert from 'node:assert/strict';
import { test } from 'node:test';
import path from 'node:path';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { qcow2Driver } from '../../../../../engine/disks/qcow2/driver.ts';
import { DiskModel, randomProgram, runProgram, taggedContent } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { crashPoints, Recording } from '../../../../support/disks/recorded-file.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { assertClean, assertSameContent, intoMemory, kibibyte, ontoDisk, qemuContent, qemuImg } from './qemu.ts';

const random = seededRandom();

/** An image with random content, and what it holds. */
async function writtenImage(
  sizeBytes: number,
  clusterSize: number,
  parent?: Layer,
): Promise<{ file: MemoryFile; model: DiskModel }> {
  const file = new MemoryFile('/memory/image.qcow2');
  await qcow2Driver.create({
    file,
    blockBytes: clusterSize,
    virtualSizeBytes: sizeBytes,
    ...(parent === undefined ? {} : { parent: { layer: parent, relativePath: 'parent.qcow2' } }),
  });
  const model = await modelOf(await opened(file, parent), sizeBytes);
  await runProgram(randomProgram({ random, sizeBytes, steps: 60, longest: 10 * clusterSize }), {
    open: () => opened(file, parent),
    model,
  });
  return { file, model };
}

async function opened(file: MemoryFile, parent?: Layer): Promise<Awaited<ReturnType<typeof qcow2Driver.open>>> {
  const layer = await qcow2Driver.open({ file });
  if (parent !== undefined) {
    layer.attachParent(parent);
  }
  return layer;
}

async function modelOf(layer: Layer, sizeBytes: number): Promise<DiskModel> {
  const content = Buffer.alloc(sizeBytes);
  await layer.read(content, 0);
  await layer.close();
  return new DiskModel(sizeBytes, new MemoryFile('/memory/model', content));
}

async function madeParent(sizeBytes: number, fill = 0xee): Promise<Layer> {
  const file = new MemoryFile('/memory/parent.qcow2');
  await qcow2Driver.create({ file, virtualSizeBytes: sizeBytes });
  const layer = await qcow2Driver.open({ file });
  await layer.write(Buffer.alloc(sizeBytes, fill), 0);
  return layer;
}

/** At each point of an operation's writes the image opens with one of the contents, and has no fault but leaks. */
async function assertSafe(
  recording: Recording,
  parents: readonly (Layer | undefined)[],
  accept: (layer: Layer, description: string) => Promise<void>,
): Promise<void> {
  let states = 0;
  for (const point of crashPoints(recording, { random, reorderings: 3, points: 120 })) {
    const layer = await qcow2Driver.open({ file: point.file() });
    const parent = parents.find((one) => one?.file.path.endsWith(layer.parentReference?.paths[0] ?? ' ') === true);
    if (parent !== undefined) {
      layer.attachParent(parent);
    }
    await accept(layer, point.description);
    const errors = (await layer.check({ repair: false })).filter(({ severity }) => severity === 'error');
    assert.deepEqual(errors, [], point.description);
    await layer.close();
    states++;
  }
  console.log(`${states} states after a crash, ${recording.operations.length} operations`);
}

for (const clusterSize of [512, 4096]) {
  test(`compact (clusters of ${clusterSize}): zeros and freed clusters go, the rest moves down, the file ends earlier; a crash changes nothing`, async () => {
    const sizeBytes = 256 * kibibyte;
    const { file: image, model } = await writtenImage(sizeBytes, clusterSize);
    const preparing = await opened(image);
    await preparing.write(taggedContent(0, sizeBytes, 77), 0);
    model.write(taggedContent(0, sizeBytes, 77), 0);
    // Clusters that hold zeros, and clusters that are free already.
    await preparing.write(Buffer.alloc(16 * clusterSize), 0);
    model.zero(0, 16 * clusterSize);
    await preparing.discard(64 * kibibyte, 100 * kibibyte);
    model.zero(64 * kibibyte, 100 * kibibyte);
    await preparing.close();
    model.flush();

    const recording = new Recording();
    const file = recording.file(image.path, image);
    const layer = await opened(file);
    const sizeBefore = file.sizeBytes;
    const freed = await layer.compact({});
    assert.ok(freed >= 16 * clusterSize + 100 * kibibyte - 2 * clusterSize, `${freed} bytes freed`);
    assert.ok(file.sizeBytes <= sizeBefore - 16 * clusterSize, `${sizeBefore} → ${file.sizeBytes}`);
    await model.assertSame(layer, 'after compact');
    assert.deepEqual(await layer.check({ repair: false }), []);
    const used = [];
    for await (const extent of layer.extents(0, sizeBytes)) {
      if (extent.state === 'data') {
        used.push(extent.length);
      }
    }
    const dataBytes = used.reduce((sum, length) => sum + length, 0);
    assert.ok(file.sizeBytes <= dataBytes * 1.1 + 12 * clusterSize, `${dataBytes} in a file of ${file.sizeBytes}`);
    assert.ok((await layer.compact({})) <= clusterSize, 'a second time there is nothing to do');
    await layer.close();
    await withFolder(async (folder) => {
      const onDisk = path.join(folder, 'compact.qcow2');
      await ontoDisk(file, onDisk);
      await assertClean(onDisk);
      assertSameContent(await qemuContent(onDisk), model.content(0, sizeBytes), 'as QEMU reads it');
    });
    await assertSafe(recording, [], (crashed, description) => model.assertSame(crashed, description));
  });
}

test('compact leaves internal snapshots as they are', async () => {
  await withFolder(async (folder) => {
    const onDisk = path.join(folder, 'image.qcow2');
    const { file, model } = await writtenImage(256 * kibibyte, 4096);
    await ontoDisk(file, onDisk);
    await qemuImg('snapshot', '-c', 'kept', onDisk);
    const image = await intoMemory(onDisk);
    const layer = await opened(image);
    await layer.discard(0, 128 * kibibyte);
    await layer.compact({});
    await model.assertSame(await layer.openSnapshot('kept'));
    assert.deepEqual(await layer.check({ repair: false }), []);
    await layer.close();
  });
});

test('resize: longer with zeros, also where a longer parent would show through, with a longer L1 table; a crash leaves one size or the other', async () => {
  const sizeBytes = 100 * kibibyte + 512;
  const longer = 400 * kibibyte;
  const parent = await madeParent(300 * kibibyte);
  const { file: image, model } = await writtenImage(sizeBytes, 512, parent);
  const recording = new Recording();
  const file = recording.file(image.path, image);
  const layer = await opened(file, parent);
  await layer.resize(longer, {});
  const grown = model.copy(longer);
  assert.equal(layer.virtualSizeBytes, longer);
  await grown.assertSame(layer, 'longer');
  assert.deepEqual(await layer.check({ repair: false }), []);
  await layer.write(Buffer.alloc(1000, 3), longer - 1000);
  await layer.close();
  await assertSafe(recording, [parent], async (crashed, description) => {
    if (crashed.virtualSizeBytes === sizeBytes) {
      await model.assertSame(crashed, description);
    } else {
      const expected = model.copy(longer);
      expected.write(Buffer.alloc(1000, 3), longer - 1000);
      await expected.assertPossible(crashed, description);
    }
  });
});

test('resize: shorter when the tail is zero, refused when it holds data, and longer again shows zeros', async () => {
  const file = new MemoryFile();
  const parent = await madeParent(128 * kibibyte);
  await qcow2Driver.create({ file, blockBytes: 4096, parent: { layer: parent, relativePath: 'parent.qcow2' } });
  const layer = await opened(file, parent);
  const model = new DiskModel(128 * kibibyte);
  model.write(Buffer.alloc(128 * kibibyte, 0xee), 0);
  await assert.rejects(layer.resize(64 * kibibyte, {}), { code: 'InvalidArgument' }, "the parent's data shows there");
  await layer.zero(50_000, 128 * kibibyte - 50_000);
  model.zero(50_000, 128 * kibibyte - 50_000);
  await layer.resize(64 * kibibyte, {});
  assert.equal(layer.virtualSizeBytes, 64 * kibibyte);
  await model.copy(64 * kibibyte).assertSame(layer, 'shorter');
  await assert.rejects(layer.resize(48 * kibibyte, {}), { code: 'InvalidArgument' });
  await assert.rejects(layer.read(Buffer.alloc(512), 64 * kibibyte), { code: 'InvalidArgument' });
  await layer.resize(128 * kibibyte, {});
  await model.assertSame(layer, 'longer again');
  assert.deepEqual(await layer.check({ repair: false }), []);
  await layer.close();
  const reopened = await opened(file, parent);
  await model.assertSame(reopened, 'opened again');
  await reopened.close();
});

for (const compat of ['1.1', '0.10']) {
  for (const erase of ['zero', 'discard'] as const) {
    test(`${erase} behind the end of a shorter parent (compat ${compat}): zeros that a longer parent does not undo`, () =>
      withFolder(async (folder) => {
        const name = path.join(folder, 'image.qcow2');
        const options = `compat=${compat},cluster_size=4k`;
        const backing = ['-u', '-b', 'parent.qcow2', '-F', 'qcow2'];
        await qemuImg('create', '-q', '-f', 'qcow2', '-o', options, ...backing, name, String(256 * kibibyte));
        const file = await intoMemory(name);
        const layer = await opened(file, await madeParent(64 * kibibyte));
        await layer.write(Buffer.alloc(8192, 0x11), 200 * kibibyte);
        await layer[erase](50_000, 256 * kibibyte - 50_000);
        await layer.close();
        const model = new DiskModel(256 * kibibyte);
        model.write(Buffer.alloc(50_000, 0xee), 0);
        const longer = await opened(file, await madeParent(256 * kibibyte));
        await model.assertSame(longer, 'on a longer parent');
        assert.deepEqual(await longer.check({ repair: false }), []);
        await longer.close();
      }));
  }
}

for (const clusterSize of [512, 4096]) {
  test(`resize in any order (clusters of ${clusterSize}), with writes between, against a model`, async () => {
    const file = new MemoryFile();
    await qcow2Driver.create({ file, blockBytes: clusterSize, virtualSizeBytes: 64 * kibibyte });
    let model = new DiskModel(64 * kibibyte);
    for (let round = 0; round < 12; round++) {
      const sizeBytes = 512 * (1 + Math.floor(random() * 2000));
      const layer = await opened(file);
      if (sizeBytes < model.sizeBytes) {
        await layer.discard(sizeBytes, model.sizeBytes - sizeBytes);
        model.zero(sizeBytes, model.sizeBytes - sizeBytes);
      }
      await layer.resize(sizeBytes, {});
      await layer.close();
      model = model.copy(sizeBytes);
      await runProgram(randomProgram({ random, sizeBytes, steps: 15, longest: 50 * kibibyte }), {
        open: () => opened(file),
        model,
      });
    }
    const layer = await opened(file);
    assert.deepEqual(await layer.check({ repair: false }), []);
    await layer.close();
  });
}

for (const clusterSize of [512, 1024, 65536]) {
  test(`setParent (clusters of ${clusterSize}): after a crash the old parent or the new`, async () => {
    const old = await madeParent(64 * kibibyte, 0x11);
    const other = await qcow2Driver.open({
      file: await namedFile('/memory/other-parent-with-a-longer-name.qcow2', 0x22),
    });
    const { file: image } = await writtenImage(64 * kibibyte, clusterSize, old);
    const recording = new Recording();
    const file = recording.file(image.path, image);
    const layer = await opened(file, old);
    for (const [parent, name] of [
      [other, 'other-parent-with-a-longer-name.qcow2'],
      [old, 'parent.qcow2'],
      [other, `./${'a/../'.repeat(40)}other-parent-with-a-longer-name.qcow2`],
    ] as const) {
      await layer.setParent({ layer: parent, relativePath: name });
      assert.deepEqual(layer.parentReference, { paths: [name], format: 'qcow2' });
      const reopened = await qcow2Driver.open({ file: file.copy() });
      assert.deepEqual(reopened.parentReference, { paths: [name], format: 'qcow2' });
      await reopened.close();
    }
    await layer.setParent(undefined);
    assert.equal(layer.parentReference, undefined);
    await layer.close();
    const seen = new Set<string>();
    await assertSafe(recording, [old, other], async (crashed) => {
      seen.add(crashed.parentReference?.paths[0]?.slice(-21) ?? 'none');
      assert.equal(crashed.parentReference?.format ?? 'qcow2', 'qcow2');
    });
    assert.deepEqual(seen, new Set(['parent.qcow2', 'h-a-longer-name.qcow2', 'none']));
  });
}

async function namedFile(name: string, fill: number): Promise<MemoryFile> {
  const file = new MemoryFile(name);
  await qcow2Driver.create({ file, virtualSizeBytes: 64 * kibibyte });
  const layer = await qcow2Driver.open({ file });
  await layer.write(Buffer.alloc(64 * kibibyte, fill), 0);
  await layer.close();
  return file;
}

test('setParent on an image by QEMU, whose header has a table of feature names', async () => {
  await withFolder(async (folder) => {
    const files = ['base.qcow2', 'other.raw', 'child.qcow2'].map((name) => path.join(folder, name));
    const [base = '', raw = '', child = ''] = files;
    await qemuImg('create', '-q', '-f', 'qcow2', base, '1M');
    await qemuImg('create', '-q', '-f', 'raw', raw, '1M');
    await qemuImg('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', 'base.qcow2', child);
    const image = await intoMemory(child);
    const parent = await qcow2Driver.open({ file: await intoMemory(base) });
    const layer = await opened(image, parent);
    await layer.write(Buffer.alloc(5000, 9), 1000);
    const name = `./${'x/../'.repeat(60)}base.qcow2`;
    await layer.setParent({ layer: parent, relativePath: name });
    await layer.close();
    await ontoDisk(image, child);
    const info: unknown = JSON.parse(await qemuImg('info', '-U', '--output=json', child));
    assert.ok(typeof info === 'object' && info !== null);
    assert.equal(Reflect.get(info, 'backing-filename'), name);
    assert.equal(Reflect.get(info, 'backing-filename-format'), 'qcow2');
  });
});

test('a name that does not fit is refused, and the old one stays', async () => {
  const parent = await madeParent(64 * kibibyte);
  const { file } = await writtenImage(64 * kibibyte, 512, parent);
  const layer = await opened(file, parent);
  await assert.rejects(layer.setParent({ layer: parent, relativePath: 'x'.repeat(500) }), { code: 'InvalidArgument' });
  await assert.rejects(layer.setParent({ layer: parent, relativePath: 'x'.repeat(1024) }), { code: 'InvalidArgument' });
  await assert.rejects(layer.setParent({ layer: parent, relativePath: 'nbd:unix:/s' }), { code: 'UnsupportedDisk' });
  assert.deepEqual(layer.parentReference?.paths, ['parent.qcow2']);
  await layer.close();
});
