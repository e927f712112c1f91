import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { vhdDriver } from '../../../../../engine/disks/vhd/driver.ts';
import { CheckpointError } from '../../../../../engine/model/checkpoint-error.ts';
import { taggedContent } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import {
  contentOf,
  corrupt,
  makeChild,
  makeDisk,
  mib,
  openChild,
  places,
  put,
  putNumber,
  reseal,
  smallBlock,
  tableEntry,
  tableOffsetOf,
} from './vhd-images.ts';

const content = taggedContent(0, 2 * mib, 3);

async function writtenDisk(options: { isFixed?: boolean } = {}): Promise<MemoryFile> {
  const { file, layer } = await makeDisk(options);
  await layer.write(content, 0);
  await layer.close();
  return file;
}

function resealFooters(file: MemoryFile): void {
  reseal(file, 0, places.footer.length, places.footer.checksum);
  reseal(file, file.sizeBytes - 512, places.footer.length, places.footer.checksum);
}

function putHeaderField(file: MemoryFile, field: 'maxTableEntries' | 'blockSize', value: number): void {
  putNumber(file, places.header.offset + places.header[field], value);
  reseal(file, places.header.offset, places.header.length, places.header.checksum);
}

async function refusal(file: MemoryFile, code: string, field: string): Promise<void> {
  await assert.rejects(vhdDriver.open({ file }), (error) => {
    assert.ok(error instanceof CheckpointError, String(error));
    assert.deepEqual([error.code, error.data['field']], [code, field]);
    return true;
  });
}

describe('footers', () => {
  test('the one at the end is damaged → the copy is used, and a repair brings it back', async () => {
    const file = await writtenDisk();
    const good = file.peek(0, 512);
    corrupt(file, file.sizeBytes - 512 + 70);
    const disk = await vhdDriver.open({ file });
    assert.deepEqual(await contentOf(disk, 0, content.length), content);
    assert.deepEqual(
      (await disk.check({ repair: false })).map(({ severity, field, isRepaired }) => [severity, field, isRepaired]),
      [['error', 'Checksum', false]],
    );
    assert.deepEqual(
      (await disk.check({ repair: true })).map(({ isRepaired }) => isRepaired),
      [true],
    );
    await disk.close();
    assert.deepEqual(file.peek(file.sizeBytes - 512, 512), good);
    assert.deepEqual(await (await vhdDriver.open({ file })).check({ repair: false }), []);
  });

  test('the end is cut off → the copy is used, and the next write puts a footer behind everything', async () => {
    const file = await writtenDisk();
    file.apply({ kind: 'truncate', sizeBytes: file.sizeBytes - 512 });
    const disk = await vhdDriver.open({ file });
    assert.deepEqual(await contentOf(disk, 0, content.length), content);
    await disk.write(Buffer.alloc(512, 1), 3 * mib);
    await disk.close();
    assert.equal(file.peek(file.sizeBytes - 512, 8).toString(), 'conectix');
    const again = await vhdDriver.open({ file });
    assert.deepEqual(await contentOf(again, 0, content.length), content);
    assert.deepEqual(await again.check({ repair: false }), []);
  });

  test('the end is cut off → a write that needs no new block brings the footer back as well', async () => {
    const file = await writtenDisk();
    const length = file.sizeBytes;
    file.apply({ kind: 'truncate', sizeBytes: length - 300 });
    const disk = await vhdDriver.open({ file });
    await disk.write(Buffer.alloc(512, 1), 0);
    await disk.flush();
    assert.ok(file.sizeBytes >= length);
    assert.deepEqual(file.peek(file.sizeBytes - 512, 512), file.peek(0, 512));
  });

  test('the end is cut off in the part of the last block that is not the disk’s → new blocks come behind that block', async () => {
    const sizeBytes = 2 * mib + 4096;
    const { file, layer } = await makeDisk({ sizeBytes });
    await layer.write(taggedContent(2 * mib, 4096, 1), 2 * mib);
    await layer.close();
    file.apply({ kind: 'truncate', sizeBytes: tableEntry(file, 4) * 512 + 512 + 4096 });
    const disk = await vhdDriver.open({ file });
    await disk.write(content, 0);
    await disk.close();
    const again = await vhdDriver.open({ file });
    assert.deepEqual(await contentOf(again), Buffer.concat([content, taggedContent(2 * mib, 4096, 1)]));
    assert.deepEqual(await again.check({ repair: false }), []);
  });

  test('the copy is damaged → the one at the end is used, and a repair brings it back', async () => {
    const file = await writtenDisk();
    const good = file.peek(0, 512);
    corrupt(file, 0);
    const disk = await vhdDriver.open({ file });
    assert.deepEqual(await contentOf(disk, 0, content.length), content);
    await disk.check({ repair: true });
    assert.deepEqual(file.peek(0, 512), good);
  });

  test('both are damaged → refused', async () => {
    const file = await writtenDisk();
    corrupt(file, 80);
    corrupt(file, file.sizeBytes - 512 + 80);
    await refusal(file, 'ImageDamaged', 'Checksum');
  });

  test('511 bytes long, as Virtual PC wrote them before 2004 → opens, and grows', async () => {
    for (const isFixed of [true, false]) {
      const file = await writtenDisk({ isFixed });
      file.apply({ kind: 'truncate', sizeBytes: file.sizeBytes - 1 });
      const disk = await vhdDriver.open({ file });
      assert.equal(disk.virtualSizeBytes, 4 * mib);
      assert.deepEqual(await disk.check({ repair: false }), []);
      await disk.write(content, 2 * mib);
      await disk.close();
      const again = await vhdDriver.open({ file });
      assert.deepEqual(await contentOf(again), Buffer.concat([content, content]));
      await again.resize(5 * mib, {});
      assert.deepEqual(await contentOf(again), Buffer.concat([content, content, Buffer.alloc(mib)]));
      await again.close();
      assert.deepEqual(await contentOf(await vhdDriver.open({ file })), await contentOf(again));
    }
  });

  test('a fixed disk whose guest wrote a footer and a header at its start → still the fixed disk', async () => {
    const file = await writtenDisk({ isFixed: true });
    const { file: lure } = await makeChild((await makeDisk({ path: '/etc/passwd.vhd' })).layer);
    put(file, 0, lure.peek(0, lure.sizeBytes));
    const disk = await vhdDriver.open({ file });
    assert.equal(disk.parentReference, undefined);
    assert.equal(disk.details['disk_type'], 'fixed');
  });

  test('a dynamic disk whose guest’s data has become the file’s end → still the dynamic disk', async () => {
    const { file, layer } = await makeDisk();
    const lure = (await makeChild((await makeDisk({ path: '/memory/secret.vhd' })).layer)).file.peek(0, 512);
    await layer.write(lure, smallBlock - 512);
    await layer.close();
    file.apply({ kind: 'truncate', sizeBytes: file.sizeBytes - 512 });
    assert.deepEqual(file.peek(file.sizeBytes - 512, 512), lure, 'the lure is in the footer’s place');
    const disk = await vhdDriver.open({ file });
    assert.equal(disk.parentReference, undefined);
    assert.equal(disk.details['disk_type'], 'dynamic');
  });

  test('an unknown version or type, sizes out of bounds → refused', async () => {
    const version = await writtenDisk();
    [0, version.sizeBytes - 512].forEach((offset) => putNumber(version, offset + 12, 0x00020000));
    resealFooters(version);
    await refusal(version, 'UnsupportedDisk', 'File Format Version');

    const type = await writtenDisk();
    [0, type.sizeBytes - 512].forEach((offset) => putNumber(type, offset + places.footer.diskType, 6));
    resealFooters(type);
    await refusal(type, 'UnsupportedDisk', 'Disk Type');

    const fixed = await writtenDisk({ isFixed: true });
    putNumber(fixed, fixed.sizeBytes - 512 + places.footer.currentSize + 4, 5 * mib);
    reseal(fixed, fixed.sizeBytes - 512, 512, places.footer.checksum);
    await refusal(fixed, 'ImageDamaged', 'Current Size');

    const huge = await writtenDisk();
    [0, huge.sizeBytes - 512].forEach((offset) => putNumber(huge, offset + places.footer.currentSize, 0x7fffffff));
    resealFooters(huge);
    await refusal(huge, 'ImageDamaged', 'Current Size');
    await refusal(new MemoryFile(), 'ImageDamaged', 'Cookie');
  });
});

describe('dynamic disk header', () => {
  test('damaged → refused: there is no copy of it', async () => {
    const file = await writtenDisk();
    corrupt(file, 512 + 100);
    await refusal(file, 'ImageDamaged', 'Dynamic Disk Header: Checksum');
  });

  const wrong: [field: 'maxTableEntries' | 'blockSize', value: number, name: string][] = [
    ['maxTableEntries', 7, 'Max Table Entries'],
    ['maxTableEntries', 0xffffffff, 'Max Table Entries'],
    ['maxTableEntries', 2 ** 23, 'Table Offset'],
    ['blockSize', 0, 'Block Size'],
    ['blockSize', 3 * 65536, 'Block Size'],
    ['blockSize', 256, 'Block Size'],
    ['blockSize', 65536, 'Max Table Entries'],
  ];
  for (const [field, value, name] of wrong) {
    test(`${field} ${value} → refused for ${name}`, async () => {
      const file = await writtenDisk();
      putHeaderField(file, field, value);
      await refusal(file, 'ImageDamaged', name);
    });
  }
});

describe('block allocation table', () => {
  test('an entry that leads out of the file → the read names it, the rest is there, and a repair makes it unused', async () => {
    const file = await writtenDisk();
    putNumber(file, tableOffsetOf(file) + 4, 0x7fffffff);
    const disk = await vhdDriver.open({ file });
    assert.deepEqual(await contentOf(disk, 0, smallBlock), content.subarray(0, smallBlock));
    const isEntry = (error: unknown): boolean =>
      error instanceof CheckpointError && error.code === 'ImageDamaged' && error.data['field'] === 'BAT entry 1';
    await assert.rejects(contentOf(disk, smallBlock, 512), isEntry);
    // A new block could come to lie where the entry leads to.
    await assert.rejects(disk.write(Buffer.alloc(512), 3 * mib), isEntry);
    const faults = await disk.check({ repair: true });
    assert.deepEqual(
      faults.map(({ severity, field }) => [severity, field]),
      [
        ['error', 'BAT entry 1'],
        ['leak', 'BAT'],
      ],
    );
    assert.deepEqual(await contentOf(disk, smallBlock, smallBlock), Buffer.alloc(smallBlock));
    assert.deepEqual(
      await contentOf(disk, 2 * smallBlock, smallBlock),
      content.subarray(2 * smallBlock, 3 * smallBlock),
    );
    await disk.close();
    assert.deepEqual(await (await vhdDriver.open({ file })).check({ repair: false }), []);
  });

  test('an entry that leads onto the header or the table → refused when used', async () => {
    for (const entry of [0, 1, 2, 3]) {
      const file = await writtenDisk();
      putNumber(file, tableOffsetOf(file), entry);
      const disk = await vhdDriver.open({ file });
      await assert.rejects(contentOf(disk, 0, 512), { code: 'ImageDamaged' });
      await assert.rejects(disk.write(Buffer.alloc(512), 0), { code: 'ImageDamaged' });
      assert.equal((await disk.check({ repair: false }))[0]?.field, 'BAT entry 0');
    }
  });

  test('two entries for one place → both are told, and after a repair a write to one no longer changes the other', async () => {
    const file = await writtenDisk();
    putNumber(file, tableOffsetOf(file) + 8, tableEntry(file, 0));
    const disk = await vhdDriver.open({ file });
    const faults = await disk.check({ repair: true });
    assert.deepEqual(
      faults.map(({ severity, field }) => [severity, field]),
      [
        ['error', 'BAT entry 2'],
        ['leak', 'BAT'],
      ],
    );
    const shared = content.subarray(0, smallBlock);
    assert.deepEqual(await contentOf(disk, 2 * smallBlock, smallBlock), shared);
    await disk.write(Buffer.alloc(4096, 9), 2 * smallBlock);
    assert.deepEqual(await contentOf(disk, 0, smallBlock), shared);
    await disk.close();
    assert.deepEqual(await (await vhdDriver.open({ file })).check({ repair: false }), []);
  });

  test('a block that no entry leads to → a leak, and a repair gives its space back', async () => {
    const file = await writtenDisk();
    putNumber(file, tableOffsetOf(file), 0xffffffff);
    const before = file.sizeBytes;
    const disk = await vhdDriver.open({ file });
    assert.deepEqual(
      (await disk.check({ repair: true })).map(({ severity, isRepaired }) => [severity, isRepaired]),
      [['leak', true]],
    );
    assert.ok(file.sizeBytes <= before - smallBlock);
    assert.deepEqual(await contentOf(disk, smallBlock, 512), content.subarray(smallBlock, smallBlock + 512));
  });
});

describe('parents', () => {
  test('another disk in the parent’s place → the unique ids tell', async () => {
    const parent = await makeDisk();
    const other = await makeDisk();
    const { layer } = await makeChild(parent.layer);
    assert.deepEqual(layer.compareParent(parent.layer), []);
    assert.deepEqual(layer.compareParent(other.layer), [
      {
        field: 'parent_unique_id',
        expected: parent.layer.identity['unique_id'],
        found: other.layer.identity['unique_id'],
      },
    ]);
  });

  test('another time stamp of the parent → only advice: the unique id decides', async () => {
    const parent = await makeDisk();
    const { file } = await makeChild(parent.layer);
    putNumber(file, 512 + 56, 12345);
    reseal(file, 512, 1024, places.header.checksum);
    assert.deepEqual((await vhdDriver.open({ file })).compareParent(parent.layer), []);
  });

  test('space for a locator in sectors, as specified, or in bytes, as Windows writes it → the same path, and no faults', async () => {
    const parent = await makeDisk();
    const { file } = await makeChild(parent.layer);
    assert.equal(file.peek(512 + 576 + 4, 4).readUInt32BE(), 512);
    putNumber(file, 512 + 576 + 4, 1);
    reseal(file, 512, 1024, places.header.checksum);
    const child = await openChild(file, parent.layer);
    assert.equal(child.parentReference?.paths[0], './base.vhd');
    assert.deepEqual(await child.check({ repair: false }), []);
  });

  test('a locator that leads out of the file → a fault; the parent is found by its name', async () => {
    const parent = await makeDisk();
    const { file } = await makeChild(parent.layer);
    putNumber(file, 512 + 576 + 16, 0x7fffffff);
    putNumber(file, 512 + 576 + 24 + 8, 0x7fffffff);
    reseal(file, 512, 1024, places.header.checksum);
    const child = await openChild(file, parent.layer);
    assert.deepEqual(child.parentReference?.paths, ['base.vhd']);
    assert.deepEqual(
      (await child.check({ repair: false })).map(({ severity, field }) => [severity, field]),
      [
        ['error', 'Platform Data Offset'],
        ['error', 'Platform Data Offset'],
      ],
    );
  });

  test('a differencing disk without its parent is not read as if there were zeros below', async () => {
    const parent = await makeDisk();
    const { file } = await makeChild(parent.layer);
    await assert.rejects(contentOf(await vhdDriver.open({ file })), { code: 'ParentMismatch' });
  });
});
