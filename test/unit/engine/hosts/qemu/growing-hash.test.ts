import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, readlink, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { GrowingHash } from '../../../../../engine/hosts/qemu/growing-hash.ts';

describe('the hash of a file that grows', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'ckpt-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const grow = async (file: string, sizes: readonly number[]): Promise<string> => {
    const hash = createHash('sha256');
    for (const size of sizes) {
      const piece = randomBytes(size);
      hash.update(piece);
      await appendFile(file, piece);
      await delay(size % 7);
    }
    return hash.digest('hex');
  };

  it('pieces of any length, written while it is read → the hash of all of them', async () => {
    const file = path.join(folder, 'grown');
    await writeFile(file, '');
    const growing = new GrowingHash(file);
    const mebibyte = 1024 * 1024;
    const expected = await grow(file, [
      1,
      mebibyte,
      4095,
      3 * mebibyte + 1,
      0,
      12345,
      70 * mebibyte,
      mebibyte - 1,
      40 * mebibyte,
    ]);
    assert.equal(await growing.end(), expected);
  });

  it('all is there before it begins, or nothing ever → the hash of that', async () => {
    const file = path.join(folder, 'whole');
    const expected = await grow(file, [5_000_000]);
    assert.equal(await new GrowingHash(file).end(), expected);
    const empty = path.join(folder, 'empty');
    await writeFile(empty, '');
    assert.equal(await new GrowingHash(empty).end(), createHash('sha256').digest('hex'));
  });

  it(
    'given up → it reads no more, and has closed the file',
    { skip: process.platform !== 'linux' && 'needs /proc' },
    async () => {
      const file = path.join(folder, 'given-up');
      await grow(file, [1000]);
      const growing = new GrowingHash(file);
      await delay(30);
      await growing.giveUp();
      const open = await Promise.all(
        (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
      );
      assert.equal(open.includes(file), false);
    },
  );

  it('the file is gone → only whoever wants the hash is told', async () => {
    const growing = new GrowingHash(path.join(folder, 'none'));
    await delay(20);
    await assert.rejects(growing.end(), { code: 'ENOENT' });
    await growing.giveUp();
  });
});
