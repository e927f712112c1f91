import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import { create } from '../../../../engine/disks/operations/create.ts';
import type { JobInfo } from '../../../../engine/protocol/jobs.ts';
import { Home } from '../../../../engine/store/home.ts';
import { Jobs } from '../../../../engine/store/jobs.ts';
import { Ckpt } from '../../../support/ckpt.ts';
import { engineFile } from '../../../support/project.ts';
import { until } from '../../../support/vscode/until.ts';
import { Client } from '../server/client.ts';
import { folderOf } from '../temporary-folder.ts';

const mebibyte = 1024 * 1024;
/** Enough for a job, and for catching it at work. */
const long = 320 * mebibyte;
const soon = { timeoutMilliseconds: 60_000 };

/** A home whose jobs end with the test. */
async function lab(context: TestContext) {
  const home = new Home(path.join(await folderOf(context), 'home'));
  await mkdir(home.root);
  const jobs = new Jobs(home);
  context.after(async () => {
    for (const { pid } of (await jobs.list()).jobs) {
      if (pid !== undefined) {
        process.kill(pid, 'SIGKILL');
      }
    }
  });
  const inState = (state: JobInfo['state']): Promise<JobInfo> =>
    until(
      `a job that is ${state}`,
      async () =>
        (await jobs.list()).jobs.find((job) => job.state === state && (job.pid !== undefined || state !== 'running')),
      soon,
    );
  return { home, jobs, inState, ckpt: new Ckpt(home.root) };
}

async function fill(file: string, bytes: number, byte: number): Promise<void> {
  const chain = await openChain(file, { access: (depth) => (depth === 0 ? 'write' : 'read') });
  try {
    for (let at = 0; at < bytes; at += mebibyte) {
      await chain.top.write(Buffer.alloc(Math.min(mebibyte, bytes - at), byte + (at % 7)), at);
    }
    await chain.top.flush();
  } finally {
    await chain.close();
  }
}

async function contentOf(file: string): Promise<string> {
  const chain = await openChain(file);
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(mebibyte);
  try {
    for (let at = 0; at < chain.top.virtualSizeBytes; at += buffer.length) {
      await chain.top.read(buffer, at);
      hash.update(buffer);
    }
  } finally {
    await chain.close();
  }
  return hash.digest('hex');
}

/** A parent, and a child with so much in it. */
async function layers(home: Home, bytes: number): Promise<{ parent: string; child: string; content: string }> {
  const [parent, child] = [path.join(home.root, 'parent.qcow2'), path.join(home.root, 'child.qcow2')];
  await create(parent, { format: 'qcow2', virtualSizeBytes: long });
  await create(child, { format: 'qcow2', parent: { file: parent } });
  await fill(child, bytes, 1);
  return { parent, child, content: await contentOf(child) };
}

function begin(context: TestContext, home: Home, args: string[]): ChildProcess {
  const child = spawn(process.execPath, [engineFile, ...args, '--home', home.root], { stdio: 'ignore' });
  context.after(() => child.kill('SIGKILL'));
  return child;
}

async function kill(pid: number | undefined): Promise<void> {
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGKILL');
}

test('a merge of little → done at once, without a job', async (context) => {
  const { home, ckpt, jobs } = await lab(context);
  const { parent, child, content } = await layers(home, mebibyte);
  assert.equal((await ckpt.run('diskMerge', ['disk', 'merge', child])).movedBytes, mebibyte);
  assert.deepEqual((await jobs.list()).jobs, []);
  assert.equal(await contentOf(parent), content);
});

test('the engine that began a merge is killed (kill -9) → the merge goes on, and ends', async (context) => {
  const { home, jobs, inState } = await lab(context);
  const { parent, child, content } = await layers(home, long);
  const engine = begin(context, home, ['disk', 'merge', child]);
  const job = await inState('running');
  const exit = once(engine, 'exit');
  await kill(engine.pid);
  await exit;
  assert.equal(job.operation, 'diskMerge');
  const ended = await inState('done');
  assert.deepEqual([ended.id, ended.result?.['movedBytes']], [job.id, long]);
  assert.equal((await jobs.list()).jobs.length, 1);
  assert.equal(await contentOf(parent), content);
});

test('the job of a merge is killed → interrupted, and the disk reads as before → resumed → done', async (context) => {
  const { home, ckpt, inState } = await lab(context);
  const { parent, child, content } = await layers(home, long);
  const engine = begin(context, home, ['disk', 'merge', child]);
  const exit = once(engine, 'exit');
  await kill((await inState('running')).pid);
  const { id } = await inState('interrupted');
  assert.deepEqual(await exit, [1, null]);
  assert.equal(await contentOf(child), content);
  assert.equal((await ckpt.run('jobs', ['jobs'])).jobs[0]?.state, 'interrupted');
  await ckpt.run('resumeJob', ['jobs', 'resume', id]);
  const { job } = await ckpt.run('followJob', ['jobs', 'follow', id]);
  assert.equal(job.state, 'done');
  assert.equal(await contentOf(parent), content);
});

test('Ctrl+C → the job is cancelled, and the disk reads as before', async (context) => {
  const { home, inState } = await lab(context);
  const { child, content } = await layers(home, long);
  const engine = begin(context, home, ['disk', 'merge', child]);
  const exit = once(engine, 'exit');
  await inState('running');
  engine.kill('SIGINT');
  assert.deepEqual(await exit, [130, null]);
  await inState('cancelled');
  assert.equal(await contentOf(child), content);
});

test('the window is closed → its job goes on', async (context) => {
  const { home, inState } = await lab(context);
  const { child, parent, content } = await layers(home, long);
  const client = await Client.start(context, home.root);
  client.request('diskMerge', { file: child }).catch(() => undefined);
  await inState('running');
  client.process.stdin.end();
  await client.exited;
  await inState('done');
  assert.equal(await contentOf(parent), content);
});

test('a conversion is killed and undone → nothing is left of it', async (context) => {
  const { home, ckpt, inState } = await lab(context);
  const { child } = await layers(home, long);
  begin(context, home, ['disk', 'convert', child, path.join(home.root, 'new.vhdx'), '--to', 'vhdx', '--flatten']);
  await kill((await inState('running')).pid);
  const { id } = await inState('interrupted');
  const { job } = await ckpt.run('cancelJob', ['jobs', 'cancel', id]);
  assert.equal(job.state, 'cancelled');
  assert.deepEqual(
    (await readdir(home.root)).filter((name) => name.includes('new.vhdx')),
    [],
  );
});

test('deleting for good is killed in its merge → the machine says so → resumed → merged, and Now reads as before', async (context) => {
  const { home, ckpt, inState } = await lab(context);
  const disk = path.join(home.root, 'disk.qcow2');
  await create(disk, { format: 'qcow2', virtualSizeBytes: long });
  await fill(disk, long, 1);
  await ckpt.run('addMachine', ['add', 'lab', '--host', 'disks', '--disk', disk]);
  await ckpt.run('take', ['take', 'lab', 'one']);
  await fill(disk, long, 2);
  await ckpt.run('take', ['take', 'lab', 'two']);
  await fill(disk, long, 3);
  const content = await contentOf(disk);
  begin(context, home, ['delete', 'lab', 'two', '--purge']);
  await kill((await inState('running')).pid);
  const { id } = await inState('interrupted');
  const { machine } = await ckpt.run('show', ['show', 'lab']);
  assert.deepEqual(machine.interrupted, { job: id, operation: 'delete' });
  assert.equal(await contentOf(disk), content);
  await ckpt.run('resumeJob', ['jobs', 'resume', id]);
  assert.equal((await ckpt.run('followJob', ['jobs', 'follow', id])).job.state, 'done');
  const after = (await ckpt.run('show', ['show', 'lab'])).machine;
  assert.deepEqual(
    [after.interrupted, after.checkpoints.map(({ name }) => name), after.trash],
    [undefined, ['one'], []],
  );
  assert.equal(await contentOf(disk), content);
  const { layers: chain } = await ckpt.run('diskChain', ['disk', 'chain', disk]);
  assert.equal(chain.length, 2);
});
