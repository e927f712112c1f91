import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import type { Extent, Layer } from '../../../../../engine/disks/disk.ts';
import { rawDriver } from '../../../../../engine/disks/raw/driver.ts';
import { seekData } from '../../../../../engine/disks/seek-data.ts';
import { DiskModel, modelAtCrash, randomProgram, runProgram } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { crashPoints, Recording } from '../../../../support/disks/recorded-file.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';

const mib = 1024 * 1024;

async function create(file: string, virtualSizeBytes: number): Promise<Layer> {
  const created = await openDiskFile(file, 'create');
  await rawDriver.create({ file: created, virtualSizeBytes });
  return rawDriver.open({ file: created });
}

async function extentsOf(disk: Layer, offset = 0, length = disk.virtualSizeBytes - offset): Promise<Extent[]> {
  const found: Extent[] = [];
  for await (const extent of disk.extents(offset, length)) {
    found.push(extent);
  }
  return found;
}

test('a new raw disk takes no space, reads as zeros and keeps what is written', () =>
  withFolder(async (folder) => {
    const file = path.join(folder, 'disk.raw');
    const disk = await create(file, 1024 ** 4);
    const content = Buffer.alloc(3000, 0x5a);
    await disk.write(content, 1024 ** 4 - 3001);
    await disk.flush();
    const read = Buffer.alloc(3002, 0xff);
    await disk.read(read, 1024 ** 4 - 3002);
    assert.deepEqual(read, Buffer.concat([Buffer.alloc(1), content, Buffer.alloc(1)]));
    await disk.close();
    const { size, blocks } = await stat(file);
    assert.equal(size, 1024 ** 4);
    assert.ok(blocks * 512 < mib, `takes ${blocks * 512} bytes`);
  }));

test('a last sector that is cut short reads as if zeros filled it up', async () => {
  const disk = await rawDriver.open({ file: new MemoryFile('/memory/short.raw', Buffer.alloc(700, 1)) });
  assert.equal(disk.virtualSizeBytes, 1024);
  const content = Buffer.alloc(1024, 0xff);
  await disk.read(content, 0);
  assert.deepEqual(content, Buffer.concat([Buffer.alloc(700, 1), Buffer.alloc(324)]));
});

test('ranges outside the disk are refused, and so are writes into a disk that is open for reading', async () => {
  const disk = await rawDriver.open({ file: new MemoryFile('/memory/small.raw', Buffer.alloc(1024), true) });
  await assert.rejects(disk.read(Buffer.alloc(2), 1023), { code: 'InvalidArgument' });
  await assert.rejects(disk.read(Buffer.alloc(2), -1), { code: 'InvalidArgument' });
  await assert.rejects(disk.write(Buffer.alloc(2), 0), { code: 'PermissionDenied' });
  await assert.rejects(disk.zero(0, 512), { code: 'PermissionDenied' });
});

test('holes show in the map', { skip: seekData === undefined && 'there is no way to find holes here' }, () =>
  withFolder(async (folder) => {
    const disk = await create(path.join(folder, 'disk.raw'), 64 * mib);
    await disk.write(Buffer.alloc(mib, 1), 16 * mib);
    await disk.write(Buffer.alloc(mib, 1), 17 * mib);
    await disk.write(Buffer.alloc(mib, 1), 63 * mib);
    assert.deepEqual(await extentsOf(disk), [
      { offset: 0, length: 16 * mib, state: 'zero' },
      { offset: 16 * mib, length: 2 * mib, state: 'data', fileOffset: 16 * mib },
      { offset: 18 * mib, length: 45 * mib, state: 'zero' },
      { offset: 63 * mib, length: mib, state: 'data', fileOffset: 63 * mib },
    ]);
    assert.deepEqual(await extentsOf(disk, 17 * mib, 2 * mib), [
      { offset: 17 * mib, length: mib, state: 'data', fileOffset: 17 * mib },
      { offset: 18 * mib, length: mib, state: 'zero' },
    ]);
    await disk.discard(16 * mib + 1, 2 * mib - 2);
    const [hole, first, middle] = await extentsOf(disk);
    assert.deepEqual([hole?.length, first?.length, middle?.state], [16 * mib, 4096, 'zero']);
    await disk.close();
  }),
);

test('compact gives back what is zero, and nothing else', () =>
  withFolder(async (folder) => {
    const file = path.join(folder, 'disk.raw');
    const disk = await create(file, 8 * mib);
    const content = Buffer.alloc(8 * mib);
    content.fill(7, 3 * mib - 5, 3 * mib + 5);
    await disk.write(content, 0);
    await disk.flush();
    const freed = await disk.compact({});
    const read = Buffer.alloc(8 * mib);
    await disk.read(read, 0);
    assert.ok(read.equals(content));
    assert.equal(freed, 8 * mib - 8192);
    await disk.close();
    assert.ok((await stat(file)).blocks * 512 <= 64 * 1024);
  }));

test('resize grows with zeros, and shrinks only what is empty', async () => {
  const file = new MemoryFile('/memory/disk.raw', Buffer.alloc(mib, 3));
  const disk = await rawDriver.open({ file });
  await disk.resize(4 * mib, {});
  const tail = Buffer.alloc(3 * mib, 1);
  await disk.read(tail, mib);
  assert.ok(tail.equals(Buffer.alloc(3 * mib)));
  await assert.rejects(disk.resize(mib - 512, {}), { code: 'InvalidArgument' });
  await disk.resize(mib, {});
  assert.equal(await file.size(), mib);
  await assert.rejects(disk.resize(mib + 1, {}), { code: 'InvalidArgument' });
});

test('random programs leave what the model says', () =>
  withFolder(async (folder) => {
    const random = seededRandom();
    for (let round = 0; round < 5; round++) {
      const sizeBytes = 512 * Math.ceil(random() * 16384);
      const file = path.join(folder, `disk-${round}.raw`);
      await (await create(file, sizeBytes)).close();
      await runProgram(randomProgram({ random, sizeBytes, steps: 200, boundaries: [4096, 65536, mib] }), {
        open: async () => rawDriver.open({ file: await openDiskFile(file, 'write') }),
        model: new DiskModel(sizeBytes),
        compareEvery: 50,
      });
    }
  }));

test('what was flushed is there after a crash, and no other sector has changed', async () => {
  const random = seededRandom();
  const sizeBytes = 256 * 1024;
  const recording = new Recording();
  const before = new MemoryFile();
  await before.truncate(sizeBytes);
  const file = recording.file('/memory/disk.raw', before);
  const steps = randomProgram({ random, sizeBytes, steps: 60, longest: 32768 });
  await runProgram(steps, {
    open: () => rawDriver.open({ file }),
    model: new DiskModel(sizeBytes),
    onBegin: (step) => recording.mark(`begun ${step}`),
    onDone: (step) => recording.mark(`done ${step}`),
  });
  let points = 0;
  for (const point of crashPoints(recording, { random, reorderings: 2 })) {
    const count = (word: string): number => point.marks.filter((mark) => mark.startsWith(word)).length;
    const model = modelAtCrash(new DiskModel(sizeBytes), steps, count('begun'), count('done'));
    await model.assertPossible(await rawDriver.open({ file: point.file() }), point.description);
    points++;
  }
  assert.ok(points > 100, `${points} points`);
});
