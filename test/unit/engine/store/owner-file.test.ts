import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { readHolder, type LockAttempt } from '../../../../engine/store/lock-holder.ts';
import { tryOwnerFile } from '../../../../engine/store/owner-file.ts';
import { processIdentity } from '../../../../engine/store/process-identity.ts';
import { folderOf } from '../temporary-folder.ts';
import { lockProcess } from './lock-process.ts';

async function fileOf(context: TestContext): Promise<string> {
  return path.join(await folderOf(context), 'lock.owner');
}

async function attempt(file: string): Promise<LockAttempt> {
  const identity = await processIdentity(process.pid);
  assert.ok(identity !== undefined);
  const since = '2026-11-21T09:00:00.000Z';
  return tryOwnerFile(file, { pid: process.pid, identity, operation: 'apply', face: 'this test', since });
}

function holderOf(outcome: LockAttempt): number | undefined {
  return 'holder' in outcome ? outcome.holder?.pid : undefined;
}

test('another process owns the file → refused, with the owner', async (context) => {
  const file = await fileOf(context);
  const other = await lockProcess(context, 'owner', file);
  assert.equal(other.outcome, 'held');
  assert.equal(holderOf(await attempt(file)), other.pid);
  assert.deepEqual(await readdir(path.dirname(file)), ['lock.owner']);
});

test('the owner was killed (kill -9) → the file is taken over', async (context) => {
  const file = await fileOf(context);
  const other = await lockProcess(context, 'owner', file);
  await other.kill();
  assert.ok('lock' in (await attempt(file)));
  assert.equal((await readHolder(file))?.pid, process.pid);
  assert.deepEqual(await readdir(path.dirname(file)), ['lock.owner']);
});

test("the owner's number belongs to another process by now → the file is taken over", async (context) => {
  const file = await fileOf(context);
  const reused = { pid: process.ppid, identity: 'another boot:1', operation: 'take', face: 'x' };
  await writeFile(file, JSON.stringify({ ...reused, since: '2026-11-21T09:00:00.000Z' }));
  assert.ok('lock' in (await attempt(file)));
});

test('released → no file, and free for others', async (context) => {
  const file = await fileOf(context);
  const first = await attempt(file);
  assert.ok('lock' in first);
  assert.equal((await lockProcess(context, 'owner', file)).outcome, 'refused');
  await first.lock.release();
  assert.deepEqual(await readdir(path.dirname(file)), []);
  assert.equal((await lockProcess(context, 'owner', file)).outcome, 'held');
});

test('a file that names nobody → refused: it may be anybody', async (context) => {
  const file = await fileOf(context);
  await writeFile(file, 'not ours');
  assert.deepEqual(await attempt(file), { holder: undefined });
  assert.equal(await readFile(file, 'utf8'), 'not ours');
});
