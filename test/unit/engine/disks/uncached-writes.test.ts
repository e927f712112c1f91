import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile, type DiskFile } from '../../../../engine/disks/disk-file.ts';
import { merge } from '../../../../engine/disks/operations/merge.ts';
import { convert } from '../../../../engine/disks/operations/convert.ts';
import { create } from '../../../../engine/disks/operations/create.ts';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import { writeUncached } from '../../../../engine/disks/write-uncached.ts';
import { taggedContent } from '../../../support/disks/disk-model.ts';
import { withFolder } from '../../../support/disks/temporary-folder.ts';
import { runProgram } from '../../../support/project.ts';

const mib = 1024 * 1024;

/** Why nothing can be kept out of the cache here, if so. */
async function reasonWithout(): Promise<string | undefined> {
  if (writeUncached === undefined) {
    return 'there is no such call here';
  }
  const write = writeUncached;
  return withFolder(async (folder) => {
    const fd = openSync(path.join(folder, 'tried'), 'w');
    try {
      return (await write(fd, Buffer.alloc(mib), 0)) === mib ? undefined : 'this file system or kernel cannot';
    } finally {
      closeSync(fd);
    }
  });
}

async function cachedBytes(file: string): Promise<number> {
  return Number(await runProgram('fincore', ['--bytes', '--noheadings', '--output', 'RES', file]));
}

async function contentOf(file: DiskFile): Promise<Buffer> {
  const content = Buffer.alloc(await file.size());
  await file.read(content, 0);
  return content;
}

test('kept out of the cache, a file holds what was written, in any length and place, over what was there', () =>
  withFolder(async (folder) => {
    const file = await openDiskFile(path.join(folder, 'file'), 'create');
    const expected = taggedContent(0, 3 * mib, 1);
    await file.write(expected, 0);
    file.keepOutOfCache?.();
    for (const [offset, length] of [
      [7, mib + 3],
      [2 * mib - 1, 64 * 1024 + 1],
      [2 * mib + 5, 9],
      [3 * mib, 70_001],
    ] as const) {
      const content = taggedContent(offset, length, offset);
      await file.write(content, offset);
      if (offset + length <= expected.length) {
        content.copy(expected, offset);
      }
    }
    const found = await contentOf(file);
    assert.ok(found.subarray(0, 3 * mib).equals(expected));
    assert.ok(found.subarray(3 * mib).equals(taggedContent(3 * mib, 70_001, 3 * mib)));
    await file.close();
  }));

test('a write that fails says why, kept out of the cache or not', () =>
  withFolder(async (folder) => {
    const name = path.join(folder, 'file');
    await (await openDiskFile(name, 'create')).close();
    const file = await openDiskFile(name, 'read');
    file.keepOutOfCache?.();
    await assert.rejects(file.write(Buffer.alloc(mib), 0), { code: 'EBADF' });
    await file.close();
  }));

for (const format of ['qcow2', 'vhdx', 'vhd'] as const) {
  test(`what a merge and a convert write does not fill the memory: ${format}`, (context) =>
    withFolder(async (folder) => {
      const unavailable = await reasonWithout();
      if (unavailable !== undefined) {
        context.skip(unavailable);
        return;
      }
      const [parent, child] = [path.join(folder, `parent.${format}`), path.join(folder, `child.${format}`)];
      await create(parent, { format, virtualSizeBytes: 64 * mib });
      await create(child, { format, parent: { file: parent } });
      const chain = await openChain(child, { access: (depth) => (depth === 0 ? 'write' : 'read') });
      for (let offset = 0; offset < 64 * mib; offset += mib) {
        await chain.top.write(taggedContent(offset, mib, offset), offset);
      }
      await chain.close();
      await merge(child, { into: 'ancestor' });
      assert.ok((await cachedBytes(parent)) < 8 * mib, 'the parent');

      const [raw, converted] = [path.join(folder, 'disk.raw'), path.join(folder, `converted.${format}`)];
      await convert(parent, raw, { to: 'raw' });
      await convert(raw, converted, { format: 'raw', to: format });
      assert.ok((await cachedBytes(converted)) < 8 * mib, 'the converted disk');
      const back = await openChain(converted);
      for (let offset = 0; offset < 64 * mib; offset += mib) {
        const found = Buffer.alloc(mib);
        await back.top.read(found, offset);
        assert.ok(found.equals(taggedContent(offset, mib, offset)), `byte ${offset}`);
      }
      await back.close();
    }));
}
