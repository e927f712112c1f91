import assert from 'node:assert/strict';
import { closeSync, constants, openSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile, openUnlessLink } from '../../../../engine/disks/disk-file.ts';
import { openCached } from '../../../../engine/disks/open-cached.ts';
import { readCached } from '../../../../engine/disks/read-cached.ts';
import { taggedContent } from '../../../support/disks/disk-model.ts';
import { withFolder } from '../../../support/disks/temporary-folder.ts';

const skip = process.platform === 'linux' ? false : 'only Linux reads and opens without waiting';
const fileBytes = 100_000;

test('what is in memory is read at once: all of it, or up to the end of the file', { skip }, () =>
  withFolder(async (folder) => {
    assert.ok(readCached !== undefined);
    const name = path.join(folder, 'file');
    const content = taggedContent(0, fileBytes, 1);
    writeFileSync(name, content);
    const fd = openSync(name, 'r');
    const buffer = Buffer.alloc(4096);
    assert.deepEqual(readCached(fd, buffer, 513), { bytes: 4096, isAll: true });
    assert.ok(buffer.equals(content.subarray(513, 513 + 4096)));
    assert.deepEqual(readCached(fd, buffer, fileBytes - 100), { bytes: 100, isAll: true });
    assert.deepEqual(readCached(fd, buffer, fileBytes + 1), { bytes: 0, isAll: true });
    closeSync(fd);
    assert.equal(readCached(fd, buffer, 0)?.isAll, false, 'an error is for the ordinary read to tell');
  }),
);

test('a file reads the same in any length and place, also behind its end', () =>
  withFolder(async (folder) => {
    const name = path.join(folder, 'file');
    const content = taggedContent(0, fileBytes, 1);
    writeFileSync(name, content);
    truncateSync(name, 4 * fileBytes);
    const whole = Buffer.concat([content, Buffer.alloc(3 * fileBytes)]);
    const file = await openDiskFile(name, 'read');
    for (const [offset, length] of [
      [0, 1],
      [fileBytes - 7, 4096],
      [4 * fileBytes - 1, 65_536],
      [4 * fileBytes, 512],
      [1, 300_000],
    ] as const) {
      const buffer = Buffer.alloc(length, 0xaa);
      const found = await file.read(buffer, offset);
      assert.ok(buffer.subarray(0, found).equals(whole.subarray(offset, offset + length)), `byte ${offset}`);
      assert.ok(buffer.subarray(found).equals(Buffer.alloc(length - found, 0xaa)), `behind byte ${offset}`);
    }
    await file.close();
    await assert.rejects(file.read(Buffer.alloc(1), 0), { code: 'EBADF' });
  }));

test('a long row of small reads lets others have their turn', () =>
  withFolder(async (folder) => {
    const name = path.join(folder, 'file');
    writeFileSync(name, taggedContent(0, fileBytes, 1));
    const file = await openDiskFile(name, 'read');
    const others = new AbortController();
    setImmediate(() => others.abort());
    const buffer = Buffer.alloc(512);
    let reads = 0;
    for (; !others.signal.aborted && reads < 10_000; reads++) {
      await file.read(buffer, 0);
    }
    assert.ok(others.signal.aborted, `not after ${reads} reads`);
    await file.close();
  }));

test(
  'opens at once what is there, and neither a link that is not to be followed nor a name that ends early',
  { skip },
  () =>
    withFolder(async (folder) => {
      assert.ok(openCached !== undefined);
      const [name, link] = [path.join(folder, 'file'), path.join(folder, 'link')];
      writeFileSync(name, 'content');
      symlinkSync(name, link);
      const fd = openCached(name, constants.O_RDONLY);
      assert.ok(fd !== undefined);
      closeSync(fd);
      assert.equal(openCached(`${name}\0.other`, constants.O_RDONLY), undefined);
      assert.equal(openCached(path.join(folder, 'missing'), constants.O_RDONLY), undefined);
      assert.equal(openCached(link, constants.O_RDONLY | constants.O_NOFOLLOW), undefined);
      assert.equal(await openUnlessLink(link, 'read'), undefined);
      await assert.rejects(openDiskFile(path.join(folder, 'missing'), 'read'), { code: 'DiskNotFound' });
      await assert.rejects(openDiskFile(folder, 'read'), { code: 'NotADiskImage' });
    }),
);
