import assert from 'node:assert/strict';
import { access, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { lockHolder, tryFileLock } from '../../../../engine/store/file-lock.ts';
import { withLock } from '../../../../engine/store/machine-lock.ts';
import { folderOf } from '../temporary-folder.ts';
import { lockProcess } from './lock-process.ts';

const purpose = { operation: 'apply', face: 'this test' };

test('another process holds the lock → Locked, naming it, what it does and how the user knows it', async (context) => {
  const file = path.join(await folderOf(context), 'lock');
  const other = await lockProcess(context, 'kernel', file);
  assert.equal(other.outcome, 'held');
  let isChanged = false;
  await assert.rejects(
    withLock(file, 'Machine “lab”', purpose, async () => {
      isChanged = true;
    }),
    {
      code: 'Locked',
      message: new RegExp(`Machine “lab” is being changed by a test \\(process ${other.pid}, take\\)`),
    },
  );
  assert.ok(!isChanged);
  const holder = await lockHolder(file);
  assert.deepEqual([holder?.pid, holder?.operation, holder?.face], [other.pid, 'take', 'a test']);
});

test('the kernel keeps the lock, not the file that the fallback uses', async (context) => {
  const file = path.join(await folderOf(context), 'lock');
  await lockProcess(context, 'kernel', file);
  await access(file);
  await assert.rejects(access(`${file}.owner`), { code: 'ENOENT' });
});

test('the holder is killed (kill -9) → the lock is free, and nobody is named', async (context) => {
  const file = path.join(await folderOf(context), 'lock');
  const other = await lockProcess(context, 'kernel', file);
  await other.kill();
  assert.equal(await lockHolder(file), undefined);
  assert.equal(await withLock(file, 'Machine “lab”', purpose, async () => 'changed'), 'changed');
});

test('released → free again, for the same process and for others', async (context) => {
  const file = path.join(await folderOf(context), 'lock');
  await withLock(file, 'Machine “lab”', purpose, async () => undefined);
  assert.equal(await lockHolder(file), undefined);
  const other = await lockProcess(context, 'kernel', file);
  assert.equal(other.outcome, 'held');
  await other.release();
  assert.ok('lock' in (await tryFileLock(file, purpose)));
});

test('two of one process → the second is refused like any other', async (context) => {
  const file = path.join(await folderOf(context), 'lock');
  await withLock(file, 'Machine “lab”', purpose, async () => {
    await assert.rejects(
      withLock(file, 'Machine “lab”', purpose, async () => undefined),
      { code: 'Locked' },
    );
  });
});

test('the change fails → its error, and the lock is free', async (context) => {
  const file = path.join(await folderOf(context), 'lock');
  const failure = new Error('it failed');
  await assert.rejects(
    withLock(file, 'Machine “lab”', purpose, () => Promise.reject(failure)),
    failure,
  );
  assert.ok('lock' in (await tryFileLock(file, purpose)));
});

test('ten at once → one after the other at most, never two', async (context) => {
  const file = path.join(await folderOf(context), 'lock');
  let inside = 0;
  let most = 0;
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, () =>
      withLock(file, 'Machine “lab”', purpose, async () => {
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setImmediate(resolve));
        inside--;
      }),
    ),
  );
  assert.equal(most, 1);
  assert.ok(outcomes.some(({ status }) => status === 'fulfilled'));
});

test('whatever a dead holder or somebody else left in the file is not believed', async (context) => {
  const file = path.join(await folderOf(context), 'lock');
  for (const content of ['', '{', '{"pid":-1}', '{"pid":1}', 'x'.repeat(10_000)]) {
    await writeFile(file, content);
    assert.equal(await lockHolder(file), undefined);
    assert.equal(await withLock(file, 'Machine “lab”', purpose, async () => 'changed'), 'changed');
  }
});
