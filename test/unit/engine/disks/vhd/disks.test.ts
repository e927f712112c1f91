import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { vhdDriver } from '../../../../../engine/disks/vhd/driver.ts';
import { taggedContent } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import {
  contentOf,
  extentsOf,
  gib,
  kib,
  makeChild,
  makeDisk,
  mib,
  openChild,
  reseal,
  smallBlock,
  tableEntry,
  tableOffsetOf,
} from './vhd-images.ts';

describe('create', () => {
  test('each type → opens with its size, reads zeros, and has no faults', async () => {
    for (const isFixed of [true, false]) {
      const { layer } = await makeDisk({ sizeBytes: 3 * mib + 512, isFixed });
      assert.equal(layer.virtualSizeBytes, 3 * mib + 512);
      assert.deepEqual(await contentOf(layer), Buffer.alloc(3 * mib + 512));
      assert.deepEqual(await layer.check({ repair: false }), []);
      const child = await makeChild(layer);
      assert.equal(child.layer.virtualSizeBytes, 3 * mib + 512);
      assert.deepEqual(child.layer.parentReference, { paths: ['./base.vhd', 'base.vhd'], format: 'vhd' });
      assert.deepEqual(await child.layer.check({ repair: false }), []);
    }
  });

  test('2040 GiB are the most', async () => {
    const { layer } = await makeDisk({ sizeBytes: 2040 * gib, blockBytes: 2 * mib });
    await layer.write(Buffer.from('end'), 2040 * gib - 3);
    assert.deepEqual(await contentOf(layer, 2040 * gib - 3), Buffer.from('end'));
    const stored = (await extentsOf(layer)).filter(({ state }) => state === 'data');
    assert.deepEqual(stored.length, 1);
    await assert.rejects(makeDisk({ sizeBytes: 2040 * gib + 512 }), { code: 'UnsupportedDisk' });
  });

  test('what a VHD cannot be → InvalidArgument', async () => {
    const file = new MemoryFile();
    const wrong = [
      { virtualSizeBytes: 1000 },
      { virtualSizeBytes: 0 },
      {},
      { virtualSizeBytes: mib, blockBytes: 4 * mib },
      { virtualSizeBytes: mib, blockBytes: 3 * smallBlock },
      { virtualSizeBytes: mib, logicalSectorBytes: 4096 },
    ];
    for (const options of wrong) {
      await assert.rejects(
        vhdDriver.create({ file, ...options }),
        { code: 'InvalidArgument' },
        JSON.stringify(options),
      );
    }
    const used = new MemoryFile('/memory/used', Buffer.from('content'));
    await assert.rejects(vhdDriver.create({ file: used, virtualSizeBytes: mib }), { code: 'InvalidArgument' });
  });
});

describe('a differencing disk', () => {
  test('one sector written → its neighbours in the block are the parent’s, and one bit is set', async () => {
    const parent = await makeDisk();
    await parent.layer.write(taggedContent(0, mib, 1), 0);
    const { file, layer } = await makeChild(parent.layer);
    await layer.write(Buffer.alloc(512, 7), 11 * 512);
    await layer.flush();
    const expected = taggedContent(0, mib, 1);
    expected.fill(7, 11 * 512, 12 * 512);
    assert.deepEqual(await contentOf(layer, 0, mib), expected);
    const bitmap = file.peek(tableEntry(file, 0) * 512, 512);
    assert.equal(bitmap.toString('hex', 0, 3), '001000', 'bit 11, counted from the most significant one of byte 0');
    assert.deepEqual(
      (await extentsOf(layer, 0, smallBlock)).map(({ offset, length, state }) => [offset, length, state]),
      [
        [0, 11 * 512, 'parent'],
        [11 * 512, 512, 'data'],
        [12 * 512, smallBlock - 12 * 512, 'parent'],
      ],
    );
  });

  test('a part of a sector written → the rest of the sector stays the parent’s', async () => {
    const parent = await makeDisk();
    await parent.layer.write(taggedContent(0, mib, 1), 0);
    const { layer } = await makeChild(parent.layer);
    await layer.write(Buffer.from('abc'), 1000);
    const expected = taggedContent(0, mib, 1);
    expected.write('abc', 1000);
    assert.deepEqual(await contentOf(layer, 0, mib), expected);
  });

  test('zeros hide the parent, and are stored only where the parent has something', async () => {
    const parent = await makeDisk();
    await parent.layer.write(taggedContent(0, smallBlock, 1), 0);
    const { file, layer } = await makeChild(parent.layer);
    const before = file.sizeBytes;
    await layer.zero(2 * smallBlock, smallBlock);
    assert.equal(file.sizeBytes, before, 'the parent is zero there');
    await layer.discard(4096, 8192);
    await layer.close();
    const again = await openChild(file, parent.layer);
    const expected = taggedContent(0, smallBlock, 1);
    expected.fill(0, 4096, 4096 + 8192);
    assert.deepEqual(await contentOf(again, 0, smallBlock), expected);
  });

  test('longer than its parent → zeros behind the parent’s end', async () => {
    const parent = await makeDisk({ sizeBytes: mib });
    await parent.layer.write(taggedContent(0, mib, 1), 0);
    const { layer } = await makeChild(parent.layer);
    await layer.resize(3 * mib, {});
    assert.deepEqual(await contentOf(layer), Buffer.concat([taggedContent(0, mib, 1), Buffer.alloc(2 * mib)]));
  });

  test('shorter than its parent, then longer again → what was cut off does not come back', async () => {
    const parent = await makeDisk({ sizeBytes: 4 * mib });
    await parent.layer.write(taggedContent(0, 4 * mib, 1), 0);
    const { layer } = await makeChild(parent.layer);
    await assert.rejects(layer.resize(mib, {}), { code: 'InvalidArgument' });
    await layer.zero(mib, 3 * mib);
    await layer.resize(mib, {});
    await layer.resize(3 * mib, {});
    assert.deepEqual(await contentOf(layer), Buffer.concat([taggedContent(0, mib, 1), Buffer.alloc(2 * mib)]));
  });

  test('stands alone in the end → QEMU, which does not look at bitmaps, would see the same', async () => {
    const parent = await makeDisk({ sizeBytes: 2 * mib });
    const { file, layer } = await makeChild(parent.layer);
    await layer.write(taggedContent(4096, 4096, 1), 4096);
    await layer.flush();
    // Something that nobody sees lies in the block, as after a crash.
    const data = tableEntry(file, 0) * 512 + 512;
    await file.write(Buffer.alloc(4096, 0xee), data + 65536);
    await layer.setParent(undefined);
    await layer.close();
    const alone = await vhdDriver.open({ file });
    assert.equal(alone.parentReference, undefined);
    assert.deepEqual(await contentOf(alone, 0, smallBlock), file.peek(data, smallBlock));
    assert.deepEqual(await contentOf(alone, 65536, 4096), Buffer.alloc(4096));
    await assert.rejects(alone.setParent({ layer: parent.layer, relativePath: 'base.vhd' }), {
      code: 'InvalidArgument',
    });
  });
});

describe('a dynamic disk', () => {
  test('two writes into a new block go on side by side, and both are there', { timeout: 20_000 }, async () => {
    const file = new MemoryFile('/memory/base.vhd');
    const { layer } = await makeDisk({ file });
    const write = file.write.bind(file);
    let waiting: (() => void)[] = [];
    // Neither of two long writes ends before the other has begun.
    file.write = async (buffer, offset) => {
      if (buffer.length >= 64 * kib) {
        await new Promise<void>((resolve) => {
          waiting.push(resolve);
          if (waiting.length === 2) {
            waiting.forEach((release) => release());
            waiting = [];
          }
        });
      }
      await write(buffer, offset);
    };
    const [first, second] = [taggedContent(0, 64 * kib, 1), taggedContent(64 * kib, 64 * kib, 2)];
    await Promise.all([layer.write(first, 0), layer.write(second, 64 * kib)]);
    await layer.flush();
    assert.deepEqual(await contentOf(layer, 0, 128 * kib), Buffer.concat([first, second]));
    assert.deepEqual(await layer.check({ repair: false }), []);
  });

  test('bitmaps that say nothing, as some programs leave them → the blocks’ content all the same, and bits once we write', async () => {
    const { file, layer } = await makeDisk();
    const content = taggedContent(0, mib, 1);
    await layer.write(content, 0);
    await layer.close();
    const bitmapOffset = tableEntry(file, 1) * 512;
    file.apply({ kind: 'write', offset: bitmapOffset, content: Buffer.alloc(512) });
    const disk = await vhdDriver.open({ file });
    assert.deepEqual(await contentOf(disk, 0, mib), content);
    await disk.write(Buffer.from('abc'), smallBlock);
    await disk.close();
    content.write('abc', smallBlock);
    assert.deepEqual(file.peek(bitmapOffset, 128), Buffer.alloc(128, 0xff));
    assert.deepEqual(await contentOf(await vhdDriver.open({ file }), 0, mib), content);
  });

  test('a whole block discarded → its space is given back, and it reads as zeros', async () => {
    const { file, layer } = await makeDisk();
    await layer.write(taggedContent(0, mib, 1), 0);
    const before = file.allocatedBytes;
    await layer.discard(0, smallBlock);
    assert.ok(file.allocatedBytes <= before - smallBlock);
    assert.deepEqual(await contentOf(layer, 0, smallBlock), Buffer.alloc(smallBlock));
    assert.equal((await extentsOf(layer, 0, smallBlock))[0]?.state, 'zero');
  });
});

describe('the file', () => {
  test('data of new blocks begins at 4 KiB, the bitmap before it; the footer is at the end, its copy at the start', async () => {
    for (const { blockBytes, isChild } of [
      { blockBytes: 512 * kib, isChild: false },
      { blockBytes: 2 * mib, isChild: true },
    ]) {
      const base = await makeDisk({ sizeBytes: 8 * mib, blockBytes });
      const { file, layer } = isChild ? await makeChild(base.layer, { blockBytes }) : base;
      for (const block of [3, 0, 2]) {
        await layer.write(Buffer.alloc(512, 1), block * blockBytes);
        assert.equal(file.peek(file.sizeBytes - 512, 8).toString(), 'conectix', 'at every moment');
      }
      await layer.close();
      for (const block of [3, 0, 2]) {
        assert.equal((tableEntry(file, block) * 512 + 512) % 4096, 0);
      }
      assert.deepEqual(file.peek(file.sizeBytes - 512, 512), file.peek(0, 512));
    }
  });

  test('nothing written → nothing changed by opening and closing', async () => {
    const { file } = await makeDisk();
    const before = file.peek(0, file.sizeBytes);
    const layer = await vhdDriver.open({ file });
    await contentOf(layer);
    await layer.flush();
    await layer.close();
    assert.deepEqual(file.peek(0, file.sizeBytes), before);
  });

  test('open for reading → no write of any kind', async () => {
    const { file, layer } = await makeDisk();
    await layer.close();
    const disk = await vhdDriver.open({ file: file.copy(file.path, true) });
    assert.ok(disk.isReadOnly);
    const attempts = [
      () => disk.write(Buffer.alloc(1), 0),
      () => disk.zero(0, 1),
      () => disk.resize(mib, {}),
      () => disk.compact({}),
      () => disk.setParent(undefined),
      () => disk.check({ repair: true }),
    ];
    for (const attempt of attempts) {
      await assert.rejects(attempt(), { code: 'PermissionDenied' });
    }
    await disk.flush();
    await disk.close();
  });

  test('a range beyond the end → InvalidArgument', async () => {
    for (const isFixed of [true, false]) {
      const { layer } = await makeDisk({ isFixed });
      await assert.rejects(layer.read(Buffer.alloc(2), 4 * mib - 1), { code: 'InvalidArgument' });
      await assert.rejects(layer.write(Buffer.alloc(2), 4 * mib - 1), { code: 'InvalidArgument' });
      await assert.rejects(layer.zero(-1, 1), { code: 'InvalidArgument' });
    }
  });
});

describe('resize', () => {
  test('a table that grows moves the blocks behind it, and stays where it is', async () => {
    const { file, layer } = await makeDisk({ sizeBytes: 4 * mib });
    await layer.write(taggedContent(0, 4 * mib, 1), 0);
    await layer.flush();
    const tableOffset = tableOffsetOf(file);
    const first = tableEntry(file, 0);
    await layer.resize(100 * gib, {});
    assert.equal(tableOffsetOf(file), tableOffset);
    assert.notEqual(tableEntry(file, 0), first);
    assert.deepEqual(
      await contentOf(layer, 0, 5 * mib),
      Buffer.concat([taggedContent(0, 4 * mib, 1), Buffer.alloc(mib)]),
    );
    await layer.write(Buffer.from('end'), 100 * gib - 3);
    await layer.close();
    const again = await vhdDriver.open({ file });
    assert.equal(again.virtualSizeBytes, 100 * gib);
    assert.deepEqual(await contentOf(again, 100 * gib - 3), Buffer.from('end'));
    assert.deepEqual(
      (await again.check({ repair: false })).filter(({ severity }) => severity === 'error'),
      [],
    );
  });

  test('data in the tail → refused, and nothing changed', async () => {
    for (const isFixed of [true, false]) {
      const { file, layer } = await makeDisk({ isFixed });
      await layer.write(Buffer.alloc(1, 1), 3 * mib);
      await layer.flush();
      const before = file.peek(0, file.sizeBytes);
      await assert.rejects(layer.resize(2 * mib, {}), { code: 'InvalidArgument' });
      assert.deepEqual(file.peek(0, file.sizeBytes), before);
    }
  });

  test('a free tail → the file gets shorter', async () => {
    for (const isFixed of [true, false]) {
      const { file, layer } = await makeDisk({ isFixed });
      await layer.write(Buffer.alloc(4 * mib, 1), 0);
      await layer.zero(2 * mib, 2 * mib);
      await layer.flush();
      const before = file.sizeBytes;
      await layer.resize(2 * mib, {});
      assert.ok(file.sizeBytes <= before - 2 * mib + 8192);
      await layer.close();
      const again = await vhdDriver.open({ file });
      assert.deepEqual(await contentOf(again), Buffer.alloc(2 * mib, 1));
      assert.deepEqual(await again.check({ repair: false }), []);
    }
  });

  test('a disk by Virtual PC, whose size is its geometry’s → has exactly the wished size afterwards', async () => {
    const { file, layer } = await makeDisk({ isFixed: true, sizeBytes: 4 * mib });
    await layer.close();
    file.apply({ kind: 'write', offset: 4 * mib + 28, content: Buffer.from('vpc ') });
    reseal(file, 4 * mib, 512, 64);
    const old = await vhdDriver.open({ file });
    assert.equal(old.virtualSizeBytes, 120 * 4 * 17 * 512);
    await old.resize(5 * mib, {});
    await old.close();
    assert.equal((await vhdDriver.open({ file })).virtualSizeBytes, 5 * mib);
  });
});

describe('compact', () => {
  test('blocks of zeros and unused ones go, the rest moves together', async () => {
    const { file, layer } = await makeDisk({ sizeBytes: 8 * mib });
    const content = taggedContent(0, 8 * mib, 1);
    await layer.write(content, 0);
    content.fill(0, 0, 5 * mib);
    await layer.write(Buffer.alloc(3 * mib), 0);
    await layer.discard(3 * mib, 2 * mib);
    await layer.flush();
    const before = file.sizeBytes;
    const freed = await layer.compact({});
    assert.equal(before - file.sizeBytes, freed);
    assert.ok(file.sizeBytes < 3 * mib + 100 * kib, `${file.sizeBytes}`);
    assert.deepEqual(await contentOf(layer), content);
    await layer.close();
    const again = await vhdDriver.open({ file });
    assert.deepEqual(await contentOf(again), content);
    assert.deepEqual(await again.check({ repair: false }), []);
  });

  test('cancelled → the content is unchanged, and it can be done again', async () => {
    const { file, layer } = await makeDisk({ sizeBytes: 8 * mib });
    const content = taggedContent(0, 8 * mib, 1);
    await layer.write(content, 0);
    await layer.zero(0, 4 * mib);
    content.fill(0, 0, 4 * mib);
    const controller = new AbortController();
    await assert.rejects(
      layer.compact({
        signal: controller.signal,
        onProgress: (done) => {
          if (done > 2 * mib) {
            controller.abort();
          }
        },
      }),
      { name: 'AbortError' },
    );
    assert.deepEqual(await contentOf(layer), content);
    await layer.compact({});
    await layer.close();
    assert.deepEqual(await contentOf(await vhdDriver.open({ file })), content);
  });
});
