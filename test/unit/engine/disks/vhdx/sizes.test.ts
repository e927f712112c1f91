import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vhdxDriver } from '../../../../../engine/disks/vhdx/driver.ts';
import { DiskModel, taggedContent } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { collect, contentOf, frozen, mebibyte, newChild, newVhdx, openChain } from './vhdx-files.ts';

const random = seededRandom();
const tebibyte = 1024 ** 4;

async function errorsOf(file: MemoryFile, ...below: MemoryFile[]): Promise<unknown[]> {
  const layer = await openChain(frozen(file), ...below.map(frozen));
  return (await layer.check({ repair: false })).filter(({ severity }) => severity === 'error');
}

for (const blockBytes of [1, 2, 4, 8, 16, 32, 64, 128, 256].map((size) => size * mebibyte)) {
  for (const logicalSectorBytes of [512, 4096]) {
    test(`64 TiB, blocks of ${blockBytes / mebibyte} MiB, sectors of ${logicalSectorBytes} bytes: small, and writable at both ends`, async () => {
      const sizeBytes = 64 * tebibyte;
      const file = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes, logicalSectorBytes });
      assert.ok(file.allocatedBytes < mebibyte, `${file.allocatedBytes} bytes`);
      const child = await newChild(frozen(file), { blockBytes });
      assert.ok(child.allocatedBytes < mebibyte);
      for (const [image, below] of [
        [file, []],
        [child, [file]],
      ] as const) {
        const layer = await openChain(image, ...below.map(frozen));
        const places = [0, 17 * tebibyte + 12345, sizeBytes - 5000];
        for (const [index, offset] of places.entries()) {
          await layer.write(taggedContent(offset, 4999, index + 1), offset);
        }
        await layer.close();
        const opened = await openChain(frozen(image), ...below.map(frozen));
        for (const [index, offset] of places.entries()) {
          assert.ok((await contentOf(opened, offset, 4999)).equals(taggedContent(offset, 4999, index + 1)));
        }
        assert.ok((await contentOf(opened, 5 * tebibyte, 4096)).equals(Buffer.alloc(4096)));
      }
    });
  }
}

test('an empty 64 TiB disk of the smallest blocks is mapped in bounded memory', async () => {
  const file = await newVhdx({ virtualSizeBytes: 64 * tebibyte, blockBytes: mebibyte });
  const layer = await openChain(frozen(file));
  const before = process.memoryUsage.rss();
  const extents = await collect(layer.extents(0, 64 * tebibyte));
  assert.deepEqual(extents, [{ offset: 0, length: 64 * tebibyte, state: 'parent' }]);
  const grown = process.memoryUsage.rss() - before;
  assert.ok(grown < 128 * mebibyte, `${grown} bytes`);
});

test('what cannot be created is refused, and names the field', async () => {
  for (const [options, field] of [
    [{ virtualSizeBytes: 0 }, 'VirtualDiskSize'],
    [{ virtualSizeBytes: 1000 }, 'VirtualDiskSize'],
    [{ virtualSizeBytes: 64 * tebibyte + 512 }, 'VirtualDiskSize'],
    [{ virtualSizeBytes: 512, logicalSectorBytes: 4096 }, 'VirtualDiskSize'],
    [{ virtualSizeBytes: mebibyte, logicalSectorBytes: 1024 }, 'LogicalSectorSize'],
    [{ virtualSizeBytes: mebibyte, blockBytes: 3 * mebibyte }, 'BlockSize'],
    [{ virtualSizeBytes: mebibyte, blockBytes: 512 * 1024 }, 'BlockSize'],
    [{ virtualSizeBytes: mebibyte, blockBytes: 512 * mebibyte }, 'BlockSize'],
  ] as const) {
    await assert.rejects(vhdxDriver.create({ ...options, file: new MemoryFile() }), (error: object) => {
      assert.ok('code' in error && 'data' in error);
      assert.equal(error.code, 'InvalidArgument');
      assert.deepEqual(
        Object.entries(error.data ?? {}).find(([name]) => name === 'field'),
        ['field', field],
      );
      return true;
    });
  }
});

test('a fixed disk has all its space from the start', async () => {
  const file = await newVhdx({ virtualSizeBytes: 10 * mebibyte + 512, blockBytes: 4 * mebibyte, isFixed: true });
  assert.equal(file.sizeBytes, 4 * mebibyte + 3 * 4 * mebibyte);
  assert.ok(file.allocatedBytes >= 12 * mebibyte);
  const [extent] = await collect((await openChain(file)).extents(0, 10 * mebibyte));
  assert.deepEqual(extent, { offset: 0, length: 10 * mebibyte, state: 'data', fileOffset: 4 * mebibyte });
});

/** A disk with random content in every third block or so. */
async function scattered(file: MemoryFile, below: MemoryFile[], model: DiskModel): Promise<void> {
  const layer = await openChain(file, ...below.map(frozen));
  for (let tag = 1; tag < 60; tag++) {
    const length = 1 + Math.floor(random() * 100_000);
    const offset = Math.floor(random() * (model.sizeBytes - length));
    await layer.write(taggedContent(offset, length, tag), offset);
    model.write(taggedContent(offset, length, tag), offset);
  }
  await layer.close();
}

test('compact: blocks of zeros and free space go, the content stays, of a child too', async () => {
  const sizeBytes = 24 * mebibyte;
  const base = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const model = new DiskModel(sizeBytes);
  await scattered(base, [], model);
  const child = await newChild(frozen(base), { blockBytes: mebibyte });
  const childModel = model.copy();
  await scattered(child, [base], childModel);
  for (const [file, below, expected] of [
    [child, [base], childModel],
    [base, [], model],
  ] as const) {
    const layer = await openChain(file, ...below.map(frozen));
    // Written zeros, and three blocks that are given up; what else is there depends on the seed.
    await layer.write(taggedContent(10 * mebibyte, 3 * mebibyte, 77), 10 * mebibyte);
    await layer.write(Buffer.alloc(4 * mebibyte), 2 * mebibyte);
    expected.zero(2 * mebibyte, 4 * mebibyte);
    await layer.discard(10 * mebibyte, 3 * mebibyte);
    expected.zero(10 * mebibyte, 3 * mebibyte);
    await layer.flush();
    const before = file.sizeBytes;
    let last: [number, number] = [0, 0];
    const freed = await layer.compact({ onProgress: (done, total) => (last = [done, total]) });
    assert.ok(freed >= 7 * mebibyte, `${freed} bytes`);
    assert.equal(file.sizeBytes, before - freed);
    assert.ok(last[0] > 0 && last[0] <= last[1]);
    await expected.assertSame(layer);
    assert.equal(await layer.compact({}), 0, 'a second time there is nothing to do');
    await layer.write(Buffer.alloc(mebibyte, 7), 10 * mebibyte);
    expected.write(Buffer.alloc(mebibyte, 7), 10 * mebibyte);
    await layer.close();
    await expected.assertSame(await openChain(frozen(file), ...below.map(frozen)));
    const soundness = await (await openChain(frozen(file), ...below.map(frozen))).check({ repair: false });
    assert.deepEqual(soundness, []);
  }
});

test('compact: an abort leaves the content as it is', async () => {
  const sizeBytes = 24 * mebibyte;
  const file = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const model = new DiskModel(sizeBytes);
  await scattered(file, [], model);
  for (let steps = 1; steps < 6; steps++) {
    const layer = await openChain(file);
    const abort = new AbortController();
    let left = steps;
    const onProgress = (): void => {
      if (--left === 0) {
        abort.abort();
      }
    };
    await assert.rejects(layer.compact({ signal: abort.signal, onProgress }), { name: 'AbortError' });
    await layer.write(Buffer.alloc(1000, steps), steps * mebibyte);
    model.write(Buffer.alloc(1000, steps), steps * mebibyte);
    await layer.close();
    await model.assertSame(await openChain(frozen(file)));
    assert.deepEqual(await errorsOf(file), []);
  }
});

test('resize: it grows within its table and beyond, and what comes is zero', async () => {
  for (const { logicalSectorBytes, isFixed } of [
    { logicalSectorBytes: 512, isFixed: false },
    { logicalSectorBytes: 4096, isFixed: false },
    { logicalSectorBytes: 512, isFixed: true },
  ]) {
    const file = await newVhdx({
      virtualSizeBytes: 3 * mebibyte + 4096,
      blockBytes: mebibyte,
      logicalSectorBytes,
      isFixed,
    });
    const model = new DiskModel(3 * mebibyte + 4096);
    const layer = await openChain(file);
    await layer.write(Buffer.alloc(model.sizeBytes, 1), 0);
    model.write(Buffer.alloc(model.sizeBytes, 1), 0);
    for (const sizeBytes of isFixed
      ? [5 * mebibyte]
      : [5 * mebibyte, 100 * 1024 * mebibyte, 200 * 1024 * mebibyte, tebibyte]) {
      await layer.resize(sizeBytes, {});
      assert.equal(layer.virtualSizeBytes, sizeBytes);
      await layer.write(Buffer.alloc(100, 2), sizeBytes - 100);
      const reopened = await openChain(frozen(file));
      assert.equal(reopened.virtualSizeBytes, sizeBytes);
      const start = await contentOf(layer, 0, 5 * mebibyte - 100);
      assert.ok(
        start.equals(
          Buffer.concat([model.content(0, model.sizeBytes), Buffer.alloc(5 * mebibyte - 100 - model.sizeBytes)]),
        ),
      );
      assert.ok((await contentOf(layer, sizeBytes - 4096, 4096)).equals(Buffer.alloc(4096).fill(2, 3996)));
    }
    if (isFixed) {
      const states = (await collect(layer.extents(0, 5 * mebibyte))).map(({ state }) => state);
      assert.deepEqual([...new Set(states)], ['data']);
    }
    await layer.close();
    assert.deepEqual(await errorsOf(file), []);
  }
});

test('resize: a last block with rubbish behind the end of the disk shows none of it', async () => {
  const file = await newVhdx({ virtualSizeBytes: mebibyte + 512, blockBytes: mebibyte });
  const layer = await openChain(file);
  await layer.write(Buffer.alloc(512, 1), mebibyte);
  await layer.flush();
  const [extent] = await collect(layer.extents(mebibyte, 512));
  assert.ok(extent?.fileOffset !== undefined);
  file.apply({ kind: 'write', offset: extent.fileOffset + 512, content: Buffer.alloc(mebibyte - 512, 0xee) });
  await layer.resize(3 * mebibyte, {});
  assert.ok((await contentOf(layer, mebibyte)).equals(Buffer.alloc(2 * mebibyte).fill(1, 0, 512)));
  await layer.close();
});

test('resize: a child that grows shows nothing of a parent that is longer', async () => {
  const base = await newVhdx({ virtualSizeBytes: 4 * mebibyte, blockBytes: mebibyte });
  const filling = await openChain(base);
  await filling.write(Buffer.alloc(4 * mebibyte, 0xbb), 0);
  await filling.close();
  const child = await newChild(base, { blockBytes: mebibyte });
  const layer = await openChain(child, frozen(base));
  await layer.zero(mebibyte + 512, 3 * mebibyte - 512);
  await layer.resize(mebibyte + 512, {});
  await layer.resize(6 * mebibyte, {});
  assert.ok((await contentOf(layer)).equals(Buffer.alloc(6 * mebibyte).fill(0xbb, 0, mebibyte + 512)));
  await layer.close();
  assert.deepEqual(await errorsOf(child, base), []);
});

test('resize: it shrinks where the tail is free, and refuses where it holds data, its own or its parent’s', async () => {
  const base = await newVhdx({ virtualSizeBytes: 8 * mebibyte, blockBytes: mebibyte });
  const layer = await openChain(base);
  await layer.write(Buffer.alloc(512, 1), 3 * mebibyte);
  await layer.write(Buffer.alloc(2 * mebibyte), 5 * mebibyte);
  for (const sizeBytes of [3 * mebibyte + 511, 3 * mebibyte, 512, 0]) {
    await assert.rejects(layer.resize(sizeBytes, {}), { code: 'InvalidArgument' });
  }
  assert.equal(layer.virtualSizeBytes, 8 * mebibyte);
  await layer.resize(3 * mebibyte + 512, {});
  await layer.close();
  assert.deepEqual(await errorsOf(base), []);
  const expected = Buffer.alloc(3 * mebibyte + 512).fill(1, 3 * mebibyte);
  assert.ok((await contentOf(await openChain(frozen(base)))).equals(expected));

  const child = await openChain(await newChild(frozen(base), { blockBytes: mebibyte }), frozen(base));
  await assert.rejects(child.resize(3 * mebibyte, {}), { code: 'InvalidArgument' });
  await child.zero(3 * mebibyte, 512);
  await child.resize(mebibyte, {});
  assert.ok((await contentOf(child)).equals(Buffer.alloc(mebibyte)));
  await child.close();
});
